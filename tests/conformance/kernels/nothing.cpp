#include "l1.h"

void kernel_main() {}
