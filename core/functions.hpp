// Exponential, logarithm and hyperbolic tangent of vectors.
//
// exp: at most 2 units in the last place wherever the result is a normal number; 0 below that,
// infinity above the largest, NaN for NaN. log: of normal numbers. The polynomials are minimax
// (found with Remez's exchange), in relative error of the result.

#pragma once

#include <limits>

#include "simd.hpp"

namespace tinyglass {

template <class T>
struct FunctionConstants;

template <>
struct FunctionConstants<float> {
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float round = 12582912.f;             // 1.5 · 2^23: adding it rounds to an integer
    static constexpr float largest_exp = 88.72283f;        // above: infinity
    static constexpr float smallest_exp = -87.33654f;      // below: 0
    static constexpr float ln2_upper = 0.693359375f;       // few enough digits that n · ln2_upper is exact
    static constexpr float ln2_lower = -2.12194440e-4f;
    // (e^f - 1 - f) / f², |f| ≤ ln 2 / 2
    static constexpr float exp[] = {0.499999934f, 0.166665204f, 0.0416683907f, 0.00836874504f, 0.00138145425f};
    // (ln((1 + s) / (1 - s)) - 2 s) / s³ by s², |s| ≤ 3 - √8
    static constexpr float log[] = {0.666667764f, 0.399775416f, 0.298717277f};
    // (tanh x - x) / x³ by x², |x| ≤ small_tanh
    static constexpr float small_tanh = 0.55f;
    static constexpr float tanh[] = {-0.333329466f, 0.133207251f, -0.0526718133f, 0.0164375807f};
};

template <>
struct FunctionConstants<double> {
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double round = 6755399441055744.;
    static constexpr double largest_exp = 709.782712893384;
    static constexpr double smallest_exp = -708.3964185322641;
    static constexpr double ln2_upper = 0x1.62e42fee00000p-1;
    static constexpr double ln2_lower = 0x1.a39ef35793c76p-33;
    static constexpr double exp[] = {0.500000000000001067,    0.166666666666664115,    0.0416666666665297329,
                                     0.00833333333349497298,  0.00138888889437588823,  0.000198412695057800366,
                                     0.0000248014929506413707, 2.75575868002331054e-6, 2.76303059220377357e-7,
                                     2.50000195331545394e-8};
    static constexpr double log[] = {0.666666666666673441, 0.399999999994146786, 0.285714287423875801,
                                     0.222221985731883971, 0.181835643259373019, 0.153140505564121588,
                                     0.14795949660461129};
    static constexpr double small_tanh = 0.45;
    static constexpr double tanh[] = {-0.333333333333323758,  0.133333333331430694,   -0.0539682538378485385,
                                      0.0218694841450264548,  -0.00886315163780769984, 0.00359115556927935364,
                                      -0.00144883406507657579, 0.000559175863728837994, -0.000160994066636416641};
};

// Σ c[k] x^(k - from), k from `from`, in pairs: half as long a chain of dependent operations as Horner's.
template <int from = 0, class V, int n>
TINYGLASS_INLINE V polynomial(V x, V square, const ElementOf<V> (&c)[n]) {
    constexpr int last = (n - 1 - from) / 2 * 2 + from;
    V sum = broadcast<V>(c[last]);
    if constexpr (last + 1 < n) sum = multiply_add(c[last + 1], x, sum);
#pragma GCC unroll 8
    for (int k = last - 2; k >= from; k -= 2)
        sum = multiply_add(sum, square, multiply_add(c[k + 1], x, broadcast<V>(c[k])));
    return sum;
}

template <class V>
TINYGLASS_INLINE V exponential(V x) {
    using T = ElementOf<V>;
    using C = FunctionConstants<T>;
    // x = n ln 2 + f
    const V limited = larger(broadcast<V>(C::smallest_exp), smaller(broadcast<V>(C::largest_exp), x));
    const V shifted = multiply_add(T(1.4426950408889634), limited, broadcast<V>(C::round));
    const V n = shifted - C::round;
    const V f = multiply_add(-C::ln2_lower, n, multiply_add(-C::ln2_upper, n, limited));
    const V square = f * f;
    const V low = multiply_add(multiply_add(C::exp[1], f, broadcast<V>(C::exp[0])), square, 1 + f);
    const V power = multiply_add(polynomial<2>(f, square, C::exp), square * square, low);
    // The exponent is raised as an integer: 2^128 itself is no float.
    const V scaled = (V)((IntegersOf<V>)power + ((IntegersOf<V>)shifted << C::mantissa));
    const V bounded = x > C::largest_exp ? broadcast<V>(std::numeric_limits<T>::infinity()) : scaled;
    return x < C::smallest_exp ? V{} : bounded;
}

// Of positive normal numbers.
template <class V>
TINYGLASS_INLINE V logarithm(V x) {
    using T = ElementOf<V>;
    using C = FunctionConstants<T>;
    using Integers = IntegersOf<V>;
    using Integer = ElementOf<Integers>;
    // x = 2^e m, √½ ≤ m < √2; the exponent is made a number by the digits behind `round`
    const V root_half = broadcast<V>(T(0.70710678118654752));
    const Integers above = (Integers)x - (Integers)root_half;
    const Integers e = (above >> C::mantissa);
    const V m = (V)((Integers)x - (e << C::mantissa));
    const V exponent = (V)((Integers)broadcast<V>(C::round) + e) - C::round;
    static_assert(sizeof(Integer) == sizeof(T));
    const V s = (m - 1) / (m + 1), z = s * s;
    const V tail = multiply_add(polynomial(z, z * z, C::log), z * s, s);
    return multiply_add(exponent, broadcast<V>(C::ln2_upper), multiply_add(exponent, broadcast<V>(C::ln2_lower), s + tail));
}

template <class V>
TINYGLASS_INLINE V sigmoid(V x) {
    return 1 / (1 + exponential(-x));
}

template <class V>
TINYGLASS_INLINE V hyperbolic_tangent(V x) {
    using C = FunctionConstants<ElementOf<V>>;
    const V square = x * x;
    const V near_zero = multiply_add(polynomial(square, square * square, C::tanh) * square, x, x);
    const V far = 1 - 2 / (1 + exponential(x + x));
    return square < C::small_tanh * C::small_tanh ? near_zero : far;
}

}  // namespace tinyglass
