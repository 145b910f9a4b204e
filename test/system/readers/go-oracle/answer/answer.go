// Package answer asks parsers what they make of texts: JSON lines in, JSON lines out.
package answer

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
)

type question struct {
	Reader string `json:"reader"`
	Text   string `json:"text"`
}

// Keys and values are base64, since they need not be UTF-8.
type reply struct {
	OK     bool              `json:"ok"`
	Values map[string]string `json:"values"`
}

// All answers every question on stdin; it panics on one that it does not understand.
func All(read func(reader, text string) (map[string]string, error)) {
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	buffered := bufio.NewWriterSize(os.Stdout, 1<<20)
	out := json.NewEncoder(buffered)
	for {
		var asked question
		if err := in.Decode(&asked); err == io.EOF {
			break
		} else if err != nil {
			panic(err)
		}
		text, err := base64.StdEncoding.DecodeString(asked.Text)
		if err != nil {
			panic(err)
		}
		values, err := read(asked.Reader, string(text))
		given := reply{OK: err == nil, Values: map[string]string{}}
		for key, value := range values {
			given.Values[base64.StdEncoding.EncodeToString([]byte(key))] = base64.StdEncoding.EncodeToString([]byte(value))
		}
		if err := out.Encode(given); err != nil {
			panic(err)
		}
	}
	if err := buffered.Flush(); err != nil {
		panic(err)
	}
}
