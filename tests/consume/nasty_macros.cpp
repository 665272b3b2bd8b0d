// The macros that some systems define before anybody else is asked: windows.h, sys/sysmacros.h, X11 and complex.h.
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define small char
#define near
#define far
#define interface struct
#define major(x) (x)
#define minor(x) (x)
#define I 1
#define ERROR 0
#define DEBUG 1
#define VERSION "mine"
#define Bool int
#define Status int
#define None 0
#define True 1
#define False 0
#define Success 0

#include <thaw/infer.hpp>
#include <thaw/train.hpp>

int main() { return 0; }
