// How far the outputs of networks in lanes are from what is expected: losses, right answers.

#pragma once

#include <cstddef>

#include "rows.hpp"

namespace tinyglass {

template <class R>
struct Judge {
    using T = typename R::Number;
    using V = typename R::V;
    using Mask = typename R::Mask;
    using Row = typename R::Row;
    static constexpr int G = R::G, N = R::N, L = R::L;
    static constexpr double largest_surprise = 87.33654475055310;  // -log smallest_probability

    static Row loss_of(const Plan &plan, const T *o, const T *y) {
        const Layer &layer = plan.layers.back();
        Row sum{};
        for (std::size_t j = 0; j < layer.n_out; ++j, o += L) {
            const Row oj = R::load_row(o), yj = R::load_row(y + j * L);
            for (int g = 0; g < G; ++g) sum[g] += loss_of_lanes(plan.loss, layer.activation, oj[g], yj[g]);
        }
        for (int g = 0; g < G; ++g) sum[g] *= loss_factor<T>(plan.loss, layer.n_out);
        return sum;
    }

    // Sums o become outputs, in place. Needs the place of as many numbers besides.
    static Row softmax_and_loss(const Plan &plan, T *o, const T *y, T *exponents) {
        const std::size_t n_out = plan.layers.back().n_out, n = n_out * L;
        Row largest = R::load_row(o), whole{}, part, loss{};
        for (std::size_t k = L; k < n; k += L)
            for (int g = 0; g < G; ++g) largest[g] = larger(largest[g], load<V>(o + k + g * N));
        for (std::size_t k = 0; k < n; k += L)
            for (int g = 0; g < G; ++g) {
                const V exponent = load<V>(o + k + g * N) - largest[g], power = exponential(exponent);
                whole[g] += power;
                store(o + k + g * N, power);
                store(exponents + k + g * N, exponent);
            }
        for (int g = 0; g < G; ++g) part[g] = 1 / whole[g];
        for (std::size_t k = 0; k < n; k += L)
            for (int g = 0; g < G; ++g) store(o + k + g * N, load<V>(o + k + g * N) * part[g]);
        if (plan.loss != Loss::cross_entropy) return loss_of(plan, o, y);
        // -log (power / whole) = log whole - exponent: one logarithm for all outputs.
        for (int g = 0; g < G; ++g) whole[g] = logarithm(whole[g]);
        const V limit = broadcast<V>(T(largest_surprise));
        for (std::size_t j = 0; j < n_out; ++j, exponents += L) {
            const Row yj = R::load_row(y + j * L);
            for (int g = 0; g < G; ++g)
                loss[g] = multiply_add(yj[g], smaller(limit, whole[g] - load<V>(exponents + g * N)), loss[g]);
        }
        return loss;
    }

    // 1 or 0
    static Row is_correct(std::size_t n_out, const T *o, const T *y) {
        Row best = R::load_row(o), expected = R::load_row(y), result;
        Mask answer[G], right[G];
        for (int g = 0; g < G; ++g) {
            answer[g] = n_out > 1 ? Mask{} : best[g] >= T(0.5);
            right[g] = n_out > 1 ? Mask{} : expected[g] >= T(0.5);
        }
        for (std::size_t j = 1; j < n_out; ++j) {
            const Row here = R::load_row(o + j * L), wanted = R::load_row(y + j * L);
            const Mask number = Mask{} + static_cast<ElementOf<Mask>>(j);
            for (int g = 0; g < G; ++g) {
                answer[g] = here[g] > best[g] ? number : answer[g];
                right[g] = wanted[g] > expected[g] ? number : right[g];
                best[g] = larger(best[g], here[g]);
                expected[g] = larger(expected[g], wanted[g]);
            }
        }
        for (int g = 0; g < G; ++g) result[g] = answer[g] == right[g] ? V{} + 1 : V{};
        return result;
    }

    // Errors become deltas, in place, where each output depends on all sums.
    static void pass_through_softmax(std::size_t n_out, const T *o, T *delta) {
        for (int g = 0; g < G; ++g, o += N, delta += N) {
            V shared{};
            for (std::size_t k = 0; k < n_out * L; k += L)
                shared = multiply_add(load<V>(delta + k), load<V>(o + k), shared);
            for (std::size_t k = 0; k < n_out * L; k += L)
                store(delta + k, load<V>(o + k) * (load<V>(delta + k) - shared));
        }
    }
};

}  // namespace tinyglass
