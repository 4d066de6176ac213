// Package greeting is a dependency that the project vendors.
package greeting

// To greets somebody.
func To(name string) string { return "hello, " + name }
