// How fast this core could be at best: what a benchmark measures itself against.

#pragma once

#include <chrono>

#include "simd.hpp"

namespace tinyglass {

// Multiplications and additions of float32 per second, in registers, on one thread: the best of many
// short tries in so many seconds.
inline double measure_peak(double seconds) {
    using V = Vec<float, widest<float>>;
    using Clock = std::chrono::steady_clock;
    constexpr int n_chains = n_registers == 32 ? 24 : 12, n_steps = 20'000;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    const V factor = broadcast<V>(1.0000001f), term = broadcast<V>(1e-9f);
    double best = 0;
    do {
        V chain[n_chains];
        for (int k = 0; k < n_chains; ++k) chain[k] = broadcast<V>(1.0f + k);
        const auto began = Clock::now();
        for (int step = 0; step < n_steps; ++step) {
#pragma GCC unroll 24
            for (int k = 0; k < n_chains; ++k) chain[k] = multiply_add(chain[k], factor, term);
            __asm__ volatile("" ::: "memory");
        }
        const double took = std::chrono::duration<double>(Clock::now() - began).count();
        V sum{};
        for (int k = 0; k < n_chains; ++k) sum += chain[k];
        volatile float kept = sum_of_lanes(sum);
        (void)kept;
        best = std::max(best, 2.0 * n_steps * n_chains * lanes_of<V> / took);
    } while (Clock::now() < end);
    return best;
}

}  // namespace tinyglass
