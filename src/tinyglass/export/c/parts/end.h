#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(MODEL_POP_OPTIONS)
#pragma GCC pop_options
#undef MODEL_POP_OPTIONS
#endif

#endif
