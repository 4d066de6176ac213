#include "count.h"
#include <ctype.h>

size_t count(const char *text)
{
	size_t words = 0;
	int inside = 0;
	for (; *text; text++) {
		int blank = isspace((unsigned char)*text);
		words += !blank && !inside;
		inside = !blank;
	}
	return words;
}
