#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	long sum = 0;
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("calc %s\n", VERSION);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		sum += atol(argv[i]);
	printf("%ld\n", sum);
	return 0;
}
