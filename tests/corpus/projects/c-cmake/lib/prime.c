#include "prime.h"

int is_prime(int number)
{
	if (number < 2)
		return 0;
	for (int divisor = 2; divisor * divisor <= number; divisor++)
		if (number % divisor == 0)
			return 0;
	return 1;
}
