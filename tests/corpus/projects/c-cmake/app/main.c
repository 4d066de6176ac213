#include <prime.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int end = argc > 1 ? atoi(argv[1]) : 10;
	for (int number = 2; number < end; number++)
		if (is_prime(number))
			printf("%d ", number);
	puts("");
	return 0;
}
