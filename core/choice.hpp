// Which kernel runs: a function of sizes, batch and instruction set, described in docs/core.md.

#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "lanes.hpp"
#include "plain.hpp"
#include "tiles.hpp"

namespace tinyglass {

// The kernels that can train batches of so many examples, the obvious one last.
inline std::vector<std::string> kernels_for(std::size_t batch) {
    (void)batch;
    return {"lanes", "tiles", "plain"};
}

template <class T>
std::string chosen_kernel(const Plan &plan, std::size_t n_examples) {
    std::size_t largest = plan.layers.front().n_in;
    for (const Layer &layer : plan.layers) largest = std::max(largest, layer.n_out);
    const std::size_t batch = plan.batch > 0 ? std::min<std::size_t>(plan.batch, n_examples) : n_examples;
    if (batch == 1) return "plain";
    return largest <= 8 ? "lanes" : "tiles";
}

// Where half a vector holds the whole batch, lanes for the other half would be computed for nothing.
template <class T>
bool fits_half(const Plan &plan, const Examples<T> &train) {
    const std::size_t batch = plan.batch > 0 ? std::min<std::size_t>(plan.batch, train.n) : train.n;
    return batch <= widest<T> / 2 && widest<T> / 2 >= narrowest<T>;
}

template <template <class, int, int> class K, class T>
std::unique_ptr<Kernel<T>> make_mini_batch(const Plan &plan, const Examples<T> &train) {
    if constexpr (widest<T> / 2 >= narrowest<T>)
        if (fits_half(plan, train)) return std::make_unique<K<T, widest<T>, widest<T> / 2>>(plan, train);
    return std::make_unique<K<T, widest<T>, widest<T>>>(plan, train);
}

template <class T>
std::unique_ptr<Kernel<T>> make_kernel(const std::string &name, const Plan &plan, const Examples<T> &train) {
    if (name == "plain") return std::make_unique<Plain<T>>(plan, train);
    if (name == "lanes") return make_mini_batch<Lanes>(plan, train);
    if (name == "tiles") return make_mini_batch<Tiles>(plan, train);
    throw std::invalid_argument("there is no kernel " + name + " for this training");
}

}  // namespace tinyglass
