// Which kernel runs: a function of sizes, batch and instruction set, described in docs/core.md.

#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "deferred.hpp"
#include "kernel.hpp"
#include "lanes.hpp"
#include "many/one_of_many.hpp"
#include "online.hpp"
#include "plain.hpp"
#include "tiles.hpp"

namespace tinyglass {

inline std::size_t largest_width(const Plan &plan) {
    std::size_t largest = plan.layers.front().n_in;
    for (const Layer &layer : plan.layers) largest = std::max(largest, layer.n_out);
    return largest;
}

// The kernels that can train batches of so many examples, the obvious one last.
inline std::vector<std::string> kernels_for(std::size_t batch) {
    if (batch == 1) return {"online", "deferred", "lanes", "tiles", "many", "plain"};
    return {"lanes", "tiles", "many", "plain"};
}

// Measured on Zen 4: online wins while the later layers' weights, which it keeps twice, stay small.
inline std::string chosen_kernel(const Plan &plan, std::size_t n_examples) {
    if (batch_of(plan, n_examples) > 1) return largest_width(plan) <= 8 ? "lanes" : "tiles";
    std::size_t widest_layer = 0, later_weights = 0;
    for (const Layer &layer : plan.layers) {
        widest_layer = std::max(widest_layer, layer.n_out);
        later_weights += layer.n_in * layer.n_out;
    }
    later_weights -= plan.layers.front().n_in * plan.layers.front().n_out;
    const bool in_registers = widest_layer <= 8;
    const bool online = plan.layers.front().n_in < 160 &&
                        (in_registers || (plan.optimizer != Optimizer::adam && later_weights <= 5000));
    return online ? "online" : "deferred";
}

// Half of the widest vector wins where layers are narrow.
template <class T>
constexpr int half = std::min(widest<T>, 2 * narrowest<T>);

template <template <class, int, int> class K, class T>
std::unique_ptr<Kernel<T>> make_mini_batch(const Plan &plan, const Examples<T> &train) {
    // Where half a vector holds the whole batch, lanes for the other half would be computed for nothing.
    if constexpr (sizeof(T) == 4 && widest<T> / 2 >= narrowest<T>)
        if (batch_of(plan, train.n) <= widest<T> / 2) return std::make_unique<K<T, widest<T>, widest<T> / 2>>(plan, train);
    return std::make_unique<K<T, widest<T>, widest<T>>>(plan, train);
}

template <template <class, int, Way> class K, int N, class T>
std::unique_ptr<Kernel<T>> make_online(const Plan &plan, const Examples<T> &train) {
    if (way_of(plan) == Way::plain) return std::make_unique<K<T, N, Way::plain>>(plan, train);
    return std::make_unique<K<T, N, Way::general>>(plan, train);
}

// Layers that fit in one vector stay in registers from one example to the next.
template <class T>
std::unique_ptr<Kernel<T>> make_online(const Plan &plan, const Examples<T> &train) {
    using Narrow = OnlineInRegisters<T, narrowest<T>, Way::plain>;
    if constexpr (half<T> > narrowest<T>)
        if (way_of(plan) == Way::plain && Narrow::suits(plan)) return std::make_unique<Narrow>(plan, train);
    if (OnlineInRegisters<T, half<T>, Way::plain>::suits(plan))
        return make_online<OnlineInRegisters, half<T>>(plan, train);
    return make_online<Online, half<T>>(plan, train);
}

template <class T>
std::unique_ptr<Kernel<T>> make_kernel(const std::string &name, const Plan &plan, const Examples<T> &train) {
    const auto able = kernels_for(batch_of(plan, train.n));
    if (std::find(able.begin(), able.end(), name) == able.end())
        throw std::invalid_argument("there is no kernel " + name + " for this training");
    if (name == "plain") return std::make_unique<Plain<T>>(plan, train);
    if (name == "online") return make_online(plan, train);
    if (name == "deferred") return make_online<Deferred, half<T>>(plan, train);
    if (name == "many") return std::make_unique<OneOfMany<T>>(plan, train);
    if (name == "lanes") return make_mini_batch<Lanes>(plan, train);
    if (name == "tiles") return make_mini_batch<Tiles>(plan, train);
    return nullptr;
}

}  // namespace tinyglass
