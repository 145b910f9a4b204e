module readers-oracle/early

go 1.21

require (
	compose-2.2 v0.0.0
	github.com/compose-spec/compose-go v1.5.0
	github.com/sirupsen/logrus v1.9.0
	readers-oracle/answer v0.0.0
)

require golang.org/x/sys v0.0.0-20220715151400-c0bba94af5f8 // indirect

// Its parser imports nothing of its own module, so it can stand beside the later one.
replace compose-2.2 => github.com/compose-spec/compose-go v1.1.0

replace readers-oracle/answer => ../answer
