#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	char where[256];
	time_t start = 0;
	setenv("TZ", "Asia/Tokyo", 1);
	printf("user %d in %s, hour %d\n", (int)getuid(), getcwd(where, sizeof where), localtime(&start)->tm_hour);
	return 0;
}
