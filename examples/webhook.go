// Receives and verifies webhooks of oncekey, with the standard library of Go: go run webhook.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance    = 5 * time.Minute
	maxBodyBytes = 100_000
)

func verified(key []byte, headers http.Header, body []byte) bool {
	seconds, err := strconv.ParseInt(headers.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return false
	}
	if age := time.Now().Unix() - seconds; age > int64(tolerance.Seconds()) || age < -int64(tolerance.Seconds()) {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", headers.Get("webhook-id"), headers.Get("webhook-timestamp"), body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// Several while the secret rotates: one that matches is enough. hmac.Equal takes the same time whatever is equal.
	found := false
	for _, one := range strings.Split(headers.Get("webhook-signature"), " ") {
		if hmac.Equal(expected, []byte(one)) {
			found = true
		}
	}
	return found
}

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("ONCEKEY_WEBHOOK_SECRET"), "whsec_"))
	if err != nil || len(key) == 0 {
		log.Fatal("ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint")
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	receive := func(response http.ResponseWriter, request *http.Request) {
		// The bytes as they came. What is longer has another signature.
		body, err := io.ReadAll(io.LimitReader(request.Body, maxBodyBytes))
		if err != nil || !verified(key, request.Header, body) {
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		response.WriteHeader(http.StatusNoContent)
		// Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
		var event struct{ ID, Type string }
		if json.Unmarshal(body, &event) == nil {
			fmt.Println(event.Type, event.ID)
		}
	}
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(receive), ReadTimeout: 15 * time.Second}
	log.Fatal(server.ListenAndServe())
}
