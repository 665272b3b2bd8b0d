// One program, two versions of thaw: learn.cpp is compiled once with each.
int learn_with_this();
int learn_with_other();

int main() { return learn_with_this() == 0 && learn_with_other() == 0 ? 0 : 1; }
