// What a kernel whose lanes are networks computes with: rows of vectors, a row for each number.

#pragma once

#include <cstddef>

#include "../layers.hpp"

namespace tinyglass {

// L networks in the lanes of G vectors: one vector has to wait for its own results, two have work meanwhile.
template <class T, int N_, int G_>
struct Rows {
    static constexpr int N = N_, G = G_, L = N * G;
    using Number = T;
    using V = Vec<T, N>;
    using Mask = IntegersOf<V>;
    // Neurons that are dealt with at once: their sums and deltas stay in registers. Errors are added up by so
    // many, and have the same bits in one vector and in two.
    static constexpr int most = n_registers < 32 ? 2 : 4;

    struct Row {
        V v[G];
        V &operator[](int g) { return v[g]; }
        const V &operator[](int g) const { return v[g]; }
    };

    static TINYGLASS_INLINE Row load_row(const T *p) {
        Row r;
        for (int g = 0; g < G; ++g) r[g] = load<V>(p + g * N);
        return r;
    }
    static TINYGLASS_INLINE void store_row(T *p, const Row &r) {
        for (int g = 0; g < G; ++g) store(p + g * N, r[g]);
    }

    // Sums become outputs, in place.
    static void activate(const Layer &layer, T *a) {
        with_activation(layer.activation, [&](auto f) {
            for (std::size_t j = 0; j < layer.n_out; ++j, a += L) {
                Row r = load_row(a);
                for (int g = 0; g < G; ++g) r[g] = f.output(r[g]);
                store_row(a, r);
            }
        });
    }

    // Errors become deltas, in place.
    static void pass_through(const Layer &layer, const T *a, T *errors) {
        with_activation(layer.activation, [&](auto f) {
            for (std::size_t j = 0; j < layer.n_out; ++j, a += L, errors += L) {
                Row delta = load_row(errors);
                for (int g = 0; g < G; ++g) delta[g] = f.delta(delta[g], load<V>(a + g * N));
                store_row(errors, delta);
            }
        });
    }
};

}  // namespace tinyglass
