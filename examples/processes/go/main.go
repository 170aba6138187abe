// A function in Go: AWS's Runtime API by the standard library. Turns the text that is posted to upper case.
// Built by: go build -o bootstrap main.go
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
)

type event struct {
	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`
}

// What is neither text nor JSON comes in base64: also the form that `curl -d` says it sends.
func (given event) text() (string, error) {
	if !given.IsBase64Encoded {
		return given.Body, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(given.Body)
	return string(decoded), err
}

type result struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			panic(err)
		}
		var given event
		err = json.NewDecoder(next.Body).Decode(&given)
		next.Body.Close()
		if err != nil {
			panic(err)
		}
		text, err := given.text()
		if err != nil {
			panic(err)
		}
		answer, err := json.Marshal(result{200, map[string]string{"content-type": "text/plain"}, strings.ToUpper(text)})
		if err != nil {
			panic(err)
		}
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		posted, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(answer))
		if err != nil {
			panic(err)
		}
		posted.Body.Close()
	}
}
