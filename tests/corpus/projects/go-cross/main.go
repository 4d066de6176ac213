// A tool that says what it is.
package main

import (
	"fmt"
	"os"
	"runtime"
)

var version = "unknown"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--help" {
		fmt.Println("usage: tool version")
		return
	}
	fmt.Printf("tool %s %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
}
