#if defined(__GNUC__) && !defined(__clang__) && (defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA))
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#define MODEL_POP_OPTIONS
#endif
