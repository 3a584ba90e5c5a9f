// What the paths mean is in acts.js.
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

const large = 104857600

func note(line string) {
	ledger, err := os.OpenFile(os.Getenv("LEDGER"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		panic(err)
	}
	defer ledger.Close()
	fmt.Fprintln(ledger, line)
}

func isFirst(key string) bool {
	marker, err := os.OpenFile(os.Getenv("LEDGER")+"."+key, os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		marker.Close()
	}
	return err == nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func act(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	key, user := or(r.Header.Get("Idempotency-Key"), "-"), or(r.Header.Get("X-User"), "-")
	bytes, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	if name == "flaky" && isFirst(key) {
		http.Error(w, "not now", 503)
		return
	}
	random := make([]byte, 16)
	rand.Read(random)
	note(fmt.Sprintf("run %s %s %x", key, user, random))
	text := fmt.Sprintf(`{"key":%q,"user":%q,"id":"%x","bytes":%d}`, key, user, random, bytes)
	write := func(piece string) {
		io.WriteString(w, piece)
		w.(http.Flusher).Flush()
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if strings.HasSuffix(name, "events") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	if strings.HasSuffix(name, "large") {
		w.Header().Set("Content-Length", fmt.Sprint(large))
	}
	block := strings.Repeat("x", 65536)
	switch name {
	case "empty":
		return
	case "no-content":
		w.WriteHeader(204)
		return
	case "not-modified":
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(304)
		return
	case "trailers", "chunked":
		if name == "trailers" {
			w.Header().Set("Trailer", "X-Checksum")
		}
		for _, piece := range []string{text[:10], text[10:20], text[20:]} {
			write(piece)
		}
		if name == "trailers" {
			w.Header().Set("X-Checksum", "abc")
		}
		return
	case "events":
		for n := 1; n <= 3; n++ {
			write(fmt.Sprintf("data: %d\n\n", n))
		}
		return
	case "large":
		for sent := 0; sent < large; sent += len(block) {
			io.WriteString(w, block)
		}
		return
	case "half-length", "half-large", "half-chunked", "half-events":
		if name == "half-length" {
			w.Header().Set("Content-Length", "1000")
		}
		if name == "half-events" {
			write("data: 1\n\n")
		} else {
			write(block[:500])
		}
		note("half " + key)
		time.Sleep(time.Minute)
		return
	case "wait":
		time.Sleep(time.Minute)
	case "interim":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(201)
	io.WriteString(w, text)
}

func main() {
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(act)))
}
