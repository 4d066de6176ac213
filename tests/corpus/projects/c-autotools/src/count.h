#include <stddef.h>
size_t count(const char *text);
