// A command of WASI in Go's own words: answers with what was sent, sorted by lines.
// GOOS=wasip1 GOARCH=wasm go build -o main.wasm main.go
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	sort.Strings(lines)
	fmt.Print("Content-Type: text/plain\n\n", strings.Join(lines, "\n"))
}
