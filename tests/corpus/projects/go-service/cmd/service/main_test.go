package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	answer := httptest.NewRecorder()
	handle(answer, httptest.NewRequest("GET", "/you", nil))
	if !strings.HasPrefix(answer.Body.String(), "hello, you") {
		t.Fatal(answer.Body.String())
	}
}
