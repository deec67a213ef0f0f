module github.com/doze-vm/doze

go 1.26
