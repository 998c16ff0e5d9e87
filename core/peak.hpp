// How fast this core could be at best: what a benchmark measures itself against.

#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "simd.hpp"

namespace tinyglass {

// Chains of multiplications and additions, as many as registers hold, so that none waits for another.
template <std::size_t... chains>
TINYGLASS_INLINE float run_chains(int n_steps, std::index_sequence<chains...>) {
    using V = Vec<float, widest<float>>;
    const V factor = broadcast<V>(1.0000001f), term = broadcast<V>(1e-9f);
    // Elements of an array stay in registers only where every index is a constant.
    V chain[] = {broadcast<V>(1.0f + chains)...};
    for (int step = 0; step < n_steps; ++step) ((chain[chains] = multiply_add(chain[chains], factor, term)), ...);
    return sum_of_lanes((chain[chains] + ...));
}

// Multiplications and additions of float32 per second, in registers, on one thread: the best of many
// short tries in so many seconds.
inline double measure_peak(double seconds) {
    using Clock = std::chrono::steady_clock;
    constexpr int n_chains = n_registers == 32 ? 24 : 12, n_steps = 20'000;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    double best = 0;
    do {
        const auto began = Clock::now();
        volatile float kept = run_chains(n_steps, std::make_index_sequence<n_chains>());
        const double took = std::chrono::duration<double>(Clock::now() - began).count();
        (void)kept;
        best = std::max(best, 2.0 * n_steps * n_chains * widest<float> / took);
    } while (Clock::now() < end);
    return best;
}

}  // namespace tinyglass
