#if defined(MODEL_POP_OPTIONS)
#pragma GCC pop_options
#undef MODEL_POP_OPTIONS
#endif
