// Places an order once and looks it up, with the standard library of Go: go run order.go [KEY]
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	base   = setting("ONCEKEY_URL", "http://127.0.0.1:8080")
	client = setting("ONCEKEY_CLIENT", "default")
	secret = []byte(setting("ONCEKEY_SECRET", "super-secret-key"))
	web    = &http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func sign(request *http.Request, key string, body []byte) {
	t := strconv.FormatInt(time.Now().Unix(), 10)
	hash := sha256.Sum256(body)
	// RequestURI is the target as it will be sent.
	lines := []string{"v1", t, request.Method, request.URL.RequestURI(), client, key, hex.EncodeToString(hash[:])}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(strings.Join(lines, "\n")))
	request.Header.Set("X-Client-Id", client)
	request.Header.Set("X-Signature", "t="+t+",v1="+hex.EncodeToString(mac.Sum(nil)))
}

func attempt(method, target, key string, body []byte) (int, []byte, string) {
	request, err := http.NewRequest(method, base+target, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
		request.Header.Set("Content-Type", "application/json")
	}
	sign(request, key, body)
	response, err := web.Do(request)
	if err != nil {
		return 0, []byte(err.Error()), ""
	}
	defer response.Body.Close()
	received, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error()), ""
	}
	return response.StatusCode, received, response.Header.Get("Retry-After")
}

func passing(status int, received []byte) bool {
	var problem struct {
		Code      string
		Retryable *bool
	}
	_ = json.Unmarshal(received, &problem)
	switch status {
	case 0, 408, 425, 429, 500, 502, 503, 504:
		return problem.Retryable == nil || *problem.Retryable
	case 409:
		return problem.Code == "request_in_progress" || problem.Code == "outcome_unknown"
	}
	return false
}

// Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
func send(method, target, key string, body []byte) {
	var status int
	var received []byte
	var after string
	for n := 0; n < 10; n++ {
		status, received, after = attempt(method, target, key, body)
		if !passing(status, received) {
			break
		}
		fmt.Fprintf(os.Stderr, "attempt %d: status %d\n", n+1, status)
		ceiling := 200 << n
		if ceiling > 10_000 {
			ceiling = 10_000
		}
		wait := time.Duration(mathrand.Intn(ceiling)) * time.Millisecond
		if seconds, err := strconv.Atoi(after); err == nil {
			wait = time.Duration(seconds) * time.Second
		}
		time.Sleep(wait)
	}
	fmt.Println(status, string(received))
	if status < 200 || status > 299 {
		os.Exit(1)
	}
}

func main() {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	key := hex.EncodeToString(random)
	if len(os.Args) > 1 {
		key = os.Args[1]
	}
	body, _ := json.Marshal(map[string]string{"user_id": "user-1", "item": "Käse", "amount": "19.90"})
	send("POST", "/orders", key, body)
	send("GET", "/orders?idempotency_key="+url.QueryEscape(key), "", nil)
}
