#include <config.h>
#include <stdio.h>
#include <string.h>
#include "count.h"

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts(PACKAGE_STRING);
		return 0;
	}
	size_t words = 0;
	for (int i = 1; i < argc; i++)
		words += count(argv[i]);
	printf("%zu\n", words);
	return words == 0;
}
