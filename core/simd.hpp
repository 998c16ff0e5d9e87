// Vectors of N numbers, and what the kernels do with them, the same source for every instruction set.
//
// The width follows the compiler's flags: 16 bytes on baseline x86-64 and NEON, 32 with AVX2, 64 with
// AVX-512. Products are fused with sums only where `multiply_add` says so, and only where the machine
// has the instruction, so that a result depends on the instruction set and on nothing else.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define TINYGLASS_INLINE inline __attribute__((always_inline))
// Behind a lambda's parameters.
#define TINYGLASS_INLINED __attribute__((always_inline))

namespace tinyglass {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, n_registers = 32;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, n_registers = 16;
#elif defined(__ARM_NEON)
constexpr int vector_bytes = 16, n_registers = 32;
#else
constexpr int vector_bytes = 16, n_registers = 16;
#endif

// Lanes of the widest vector of T, and of the narrowest that is used.
template <class T>
constexpr int widest = vector_bytes / sizeof(T);
template <class T>
constexpr int narrowest = 16 / sizeof(T);

template <class T, int N>
struct VectorOf {
    using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T type __attribute__((vector_size(N * sizeof(T))));
    typedef Integer integers __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using Vec = typename VectorOf<T, N>::type;

template <class V>
using ElementOf = std::remove_cv_t<std::remove_reference_t<decltype(std::declval<V &>()[0])>>;
template <class V>
constexpr int lanes_of = sizeof(V) / sizeof(ElementOf<V>);
template <class V>
using IntegersOf = typename VectorOf<ElementOf<V>, lanes_of<V>>::integers;

constexpr std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// ------------------------------------------------------------------ memory

template <class V>
TINYGLASS_INLINE V load(const ElementOf<V> *p) {
    V v;
    std::memcpy(&v, p, sizeof v);  // one instruction, aligned or not
    return v;
}

template <class V>
TINYGLASS_INLINE void store(ElementOf<V> *p, V v) {
    std::memcpy(p, &v, sizeof v);
}

template <class V>
TINYGLASS_INLINE V broadcast(ElementOf<V> x) {
    return x - V{};  // x + 0 would lose the sign of -0
}

template <class V>
TINYGLASS_INLINE V broadcast(V already) {
    return already;
}

// The first n of N lanes, the others 0; nothing behind them is read.
template <class V>
TINYGLASS_INLINE V load_first(const ElementOf<V> *p, std::size_t n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 4)
        return (V)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
    else if constexpr (sizeof(V) == 64)
        return (V)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p);
#endif
    alignas(sizeof(V)) ElementOf<V> some[lanes_of<V>] = {};
    for (std::size_t k = 0; k < n; ++k) some[k] = p[k];
    return load<V>(some);
}

// The pieces of 16 bytes at place(0), place(1), …, one after another.
template <class V, class Place>
TINYGLASS_INLINE V load_pieces(Place place) {
#if defined(__AVX2__)
    const auto piece = [&](int k) { return (__m128)load<Vec<ElementOf<V>, narrowest<ElementOf<V>>>>(place(k)); };
#endif
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64) {
        const __m512 half = _mm512_insertf32x4(_mm512_castps128_ps512(piece(0)), piece(1), 1);
        return (V)_mm512_insertf32x4(_mm512_insertf32x4(half, piece(2), 2), piece(3), 3);
    }
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32) return (V)_mm256_insertf128_ps(_mm256_castps128_ps256(piece(0)), piece(1), 1);
#endif
    if constexpr (sizeof(V) == 16) return load<V>(place(0));
}

// ------------------------------------------------------------------ arithmetic

// a b + c, rounded once where the machine has the instruction, otherwise twice.
template <class V>
TINYGLASS_INLINE V multiply_add(V a, V b, V c) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 4) return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 8)
        return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#endif
#if defined(__FMA__)
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 4) return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 8)
        return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 4) return (V)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 8) return (V)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
#elif defined(__ARM_NEON)
    if constexpr (sizeof(ElementOf<V>) == 4) return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    if constexpr (sizeof(ElementOf<V>) == 8) return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#endif
    return a * b + c;
}

// c - a b
template <class V>
TINYGLASS_INLINE V subtract_product(V a, V b, V c) {
    return multiply_add(-a, b, c);
}

// A broadcast number times a vector, plus a vector.
template <class V>
TINYGLASS_INLINE V multiply_add(ElementOf<V> a, V b, V c) {
    return multiply_add(broadcast<V>(a), b, c);
}

// The larger, and the smaller; where b is NaN, it is NaN.
template <class V>
TINYGLASS_INLINE V larger(V a, V b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 4) return (V)_mm512_max_ps((__m512)a, (__m512)b);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 4) return (V)_mm256_max_ps((__m256)a, (__m256)b);
#endif
#if defined(__x86_64__)
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 4) return (V)_mm_max_ps((__m128)a, (__m128)b);
#endif
    return a > b ? a : b;
}

template <class V>
TINYGLASS_INLINE V smaller(V a, V b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 4) return (V)_mm512_min_ps((__m512)a, (__m512)b);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 4) return (V)_mm256_min_ps((__m256)a, (__m256)b);
#endif
#if defined(__x86_64__)
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 4) return (V)_mm_min_ps((__m128)a, (__m128)b);
#endif
    return a < b ? a : b;
}

template <class V>
TINYGLASS_INLINE V square_root(V a) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 4) return (V)_mm512_sqrt_ps((__m512)a);
    if constexpr (sizeof(V) == 64 && sizeof(ElementOf<V>) == 8) return (V)_mm512_sqrt_pd((__m512d)a);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 4) return (V)_mm256_sqrt_ps((__m256)a);
    if constexpr (sizeof(V) == 32 && sizeof(ElementOf<V>) == 8) return (V)_mm256_sqrt_pd((__m256d)a);
#endif
#if defined(__x86_64__)
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 4) return (V)_mm_sqrt_ps((__m128)a);
    if constexpr (sizeof(V) == 16 && sizeof(ElementOf<V>) == 8) return (V)_mm_sqrt_pd((__m128d)a);
#endif
    for (int k = 0; k < lanes_of<V>; ++k) a[k] = std::sqrt(a[k]);
    return a;
}

// ------------------------------------------------------------------ lanes

// Lane k of the result is lane index[k] of a, or, from N on, of b.
template <class V, int... index>
TINYGLASS_INLINE V permute(V a, V b, std::integer_sequence<int, index...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, index...);
#else
    return __builtin_shuffle(a, b, IntegersOf<V>{index...});
#endif
}

template <class Rule, int... k>
constexpr auto indices_by(Rule, std::integer_sequence<int, k...>) {
    return std::integer_sequence<int, Rule::of(k)...>{};
}

template <class V, class Rule>
TINYGLASS_INLINE V permute_by(V a, V b) {
    return permute(a, b, decltype(indices_by(Rule{}, std::make_integer_sequence<int, lanes_of<V>>{})){});
}

// The lower (or upper) half of every group of `group` lanes: those of a, then those of b.
template <int N, int group, bool upper>
struct HalfGroups {
    static constexpr int of(int k) {
        const int half = group / 2, source = k / half;  // k-th half group of the result
        return source * group + upper * half + k % half;
    }
};

// The group of lanes that is `distance` away, both within twice `distance` lanes.
template <int distance>
struct Neighbour {
    static constexpr int of(int k) { return k ^ distance; }
};

template <class V, int distance = lanes_of<V> / 2>
TINYGLASS_INLINE ElementOf<V> sum_of_lanes(V v) {
    if constexpr (distance == 0)
        return v[0];
    else
        return sum_of_lanes<V, distance / 2>(v + permute_by<V, Neighbour<distance>>(v, v));
}

template <class V, int distance = lanes_of<V> / 2>
TINYGLASS_INLINE ElementOf<V> largest_of_lanes(V v) {
    if constexpr (distance == 0)
        return v[0];
    else
        return largest_of_lanes<V, distance / 2>(larger(v, permute_by<V, Neighbour<distance>>(v, v)));
}

// Of n vectors, n a power of two: n groups of lanes, group k holding partial sums of v[k].
template <class V, int n>
TINYGLASS_INLINE V grouped_sums(const V *v) {
    if constexpr (n == 1) {
        return v[0];
    } else {
        const V a = grouped_sums<V, n / 2>(v), b = grouped_sums<V, n / 2>(v + n / 2);
        constexpr int N = lanes_of<V>, group = 2 * N / n;
        return permute_by<V, HalfGroups<N, group, false>>(a, b) + permute_by<V, HalfGroups<N, group, true>>(a, b);
    }
}

// Adds up each group of lanes and puts the sums first.
template <class V, int group, int distance = group / 2>
TINYGLASS_INLINE V close_groups(V v) {
    if constexpr (group == 1) {
        return v;
    } else if constexpr (distance == 0) {
        constexpr int N = lanes_of<V>;
        struct First {
            static constexpr int of(int k) { return k * group % N; }
        };
        return permute_by<V, First>(v, v);
    } else {
        return close_groups<V, group, distance / 2>(v + permute_by<V, Neighbour<distance>>(v, v));
    }
}

// Lane k is the sum of all lanes of v[k], k < n; n is a power of two, at most N.
template <int n, class V>
TINYGLASS_INLINE V sums_of_lanes(const V *v) {
    return close_groups<V, lanes_of<V> / n>(grouped_sums<V, n>(v));
}

// Blocks of `size` lanes change places between two rows: what a transposition is made of.
template <int N, int size, bool second>
struct Exchange {
    static constexpr int of(int k) {
        const bool upper = k / size % 2;
        if (!second) return upper ? N + k - size : k;
        return upper ? N + k : k + size;
    }
};

// Of n rows: every group of n lanes is transposed for itself.
template <class V, int size = lanes_of<V> / 2, int n = lanes_of<V>>
TINYGLASS_INLINE void transpose(V *rows) {
    if constexpr (size > 0) {
        constexpr int N = lanes_of<V>;
#pragma GCC unroll 16
        for (int r = 0; r < n; ++r)
            if (r / size % 2 == 0) {
                const V a = rows[r], b = rows[r + size];
                rows[r] = permute_by<V, Exchange<N, size, false>>(a, b);
                rows[r + size] = permute_by<V, Exchange<N, size, true>>(a, b);
            }
        transpose<V, size / 2, n>(rows);
    }
}

// Shape [n_rows][n_columns], n_rows <= N, to [n_columns][N]: to[c * to_stride + r] = rows[r][c], with zeros
// behind the last row.
template <class V>
[[gnu::noinline]] void transpose_some_rows(const ElementOf<V> *const *rows, std::size_t n_rows, std::size_t n_columns,
                                           ElementOf<V> *to, std::size_t to_stride) {
    constexpr std::size_t N = lanes_of<V>;
    for (std::size_t c = 0; c < n_columns; c += N) {
        const std::size_t wide = n_columns - c < N ? n_columns - c : N;
        V block[N];
        if (wide == N)
            for (std::size_t k = 0; k < N; ++k) block[k] = k < n_rows ? load<V>(rows[k] + c) : V{};
        else
            for (std::size_t k = 0; k < N; ++k) block[k] = k < n_rows ? load_first<V>(rows[k] + c, wide) : V{};
        transpose(block);
        for (std::size_t k = 0; k < wide; ++k) store(to + (c + k) * to_stride, block[k]);
    }
}

// The same of any number of rows: row(r) is where one begins.
template <class V, class Row>
void transpose_rows(std::size_t n_rows, std::size_t n_columns, Row row, ElementOf<V> *to, std::size_t to_stride) {
    constexpr std::size_t N = lanes_of<V>;
    for (std::size_t r = 0; r < n_rows; r += N) {
        const ElementOf<V> *rows[N];
        const std::size_t here = n_rows - r < N ? n_rows - r : N;
        for (std::size_t k = 0; k < here; ++k) rows[k] = row(r + k);
        transpose_some_rows<V>(rows, here, n_columns, to + r, to_stride);
    }
}

// Calls use(size, first) for blocks of n, each but the last of `whole`; the size is a constant.
template <int whole = 4, class Use>
TINYGLASS_INLINE void in_blocks(std::size_t n, Use use) {
    std::size_t first = 0;
    for (; first + whole <= n; first += whole) use(std::integral_constant<int, whole>{}, first);
    if constexpr (whole > 1)
        if (first < n)
            in_blocks<whole / 2>(n - first, [&](auto size, std::size_t k) TINYGLASS_INLINED { use(size, first + k); });
}

}  // namespace tinyglass
