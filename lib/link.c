#include <config.h>
#include "link.h"
