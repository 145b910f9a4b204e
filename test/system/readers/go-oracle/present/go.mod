module readers-oracle/present

go 1.23

require (
	github.com/compose-spec/compose-go v1.16.0
	github.com/compose-spec/compose-go/v2 v2.9.1
	github.com/docker/cli v29.9.3+incompatible
	github.com/sirupsen/logrus v1.9.0
	readers-oracle/answer v0.0.0
)

require (
	github.com/pkg/errors v0.9.1 // indirect
	golang.org/x/sys v0.5.0 // indirect
)

replace readers-oracle/answer => ../answer
