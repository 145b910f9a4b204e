// Asks the parsers of Compose 2.20 and later, and docker's own for --env-file.
package main

import (
	"io"
	"strings"

	compose220 "github.com/compose-spec/compose-go/dotenv"
	compose "github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/sirupsen/logrus"

	"readers-oracle/answer"
)

func readLines(text string) (map[string]string, error) {
	lines, err := kvfile.ParseFromReader(strings.NewReader(text), nil)
	values := map[string]string{}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		values[key] = value
	}
	return values, err
}

func main() {
	logrus.SetOutput(io.Discard)
	answer.All(func(reader, text string) (map[string]string, error) {
		switch reader {
		case "compose 2.20 to 2.23":
			return compose220.Parse(strings.NewReader(text))
		case "docker-run 20+":
			return readLines(text)
		default:
			return compose.Parse(strings.NewReader(text))
		}
	})
}
