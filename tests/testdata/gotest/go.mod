module example.test/gotest

go 1.26
