// Asks the parsers of Compose 2.2 and 2.10.
package main

import (
	"io"
	"strings"

	compose210 "github.com/compose-spec/compose-go/dotenv"
	"github.com/sirupsen/logrus"

	compose22 "compose-2.2/dotenv"
	"readers-oracle/answer"
)

func main() {
	logrus.SetOutput(io.Discard)
	answer.All(func(reader, text string) (map[string]string, error) {
		if reader == "compose 2.2 to 2.9" {
			return compose22.Parse(strings.NewReader(text))
		}
		return compose210.Parse(strings.NewReader(text))
	})
}
