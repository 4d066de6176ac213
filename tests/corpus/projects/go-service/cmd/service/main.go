// A web service: GET /NAME greets.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"example.org/greeting"
)

var version = "unknown"

func handle(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s (version %s, user %d)\n", greeting.To(strings.Trim(r.URL.Path, "/")), version, os.Getuid())
}

func main() {
	check := flag.Bool("check", false, "ask the running service and exit")
	flag.Parse()
	address := "127.0.0.1:" + os.Getenv("PORT")
	if *check {
		answer, err := http.Get("http://" + address + "/health")
		if err != nil || answer.StatusCode != 200 {
			os.Exit(1)
		}
		return
	}
	http.HandleFunc("/", handle)
	log.Fatal(http.ListenAndServe(address, nil))
}
