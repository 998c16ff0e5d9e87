"""C99, also valid C++: one header, no malloc, no static RAM, no C library but memcpy."""
