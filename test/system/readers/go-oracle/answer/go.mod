module readers-oracle/answer

go 1.21
