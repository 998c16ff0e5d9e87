// Networks that learn together, as those see them who tell them what to learn.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../kernel.hpp"
#include "../simd.hpp"

namespace tinyglass {

// Examples as rows [n][width]: inputs, expected outputs, weight, and zeros up to whole pieces of 16 bytes.
template <class T>
struct Table {
    const Examples<T> source;
    const std::size_t width;
    Buffer<T> rows;

    static std::size_t width_of(const Plan &plan) {
        return rounded_up(plan.layers.front().n_in + plan.layers.back().n_out + 1, narrowest<T>);
    }

    Table(const Plan &plan, const Examples<T> &examples)
        : source(examples), width(width_of(plan)), rows(std::max<std::size_t>(1, examples.n) * width) {
        const std::size_t n_in = plan.layers.front().n_in, n_out = plan.layers.back().n_out;
        for (std::size_t k = 0; k < examples.n; ++k) {
            T *row = std::copy_n(examples.inputs + k * n_in, n_in, &rows[k * width]);
            row = std::copy_n(examples.expected + k * n_out, n_out, row);
            *row = examples.weight ? examples.weight[k] : T(1);
        }
    }
};

// What a network is shown: rows of a table, in this order.
template <class T>
struct Shown {
    const T *rows = nullptr;
    const std::uint32_t *order = nullptr;  // [n]
    std::size_t n = 0;
};

// Networks that learn together, each in a lane. The plan says what they have in common.
template <class T>
class Networks {
public:
    struct Lane {
        Shown<T> shown;
        Pace<T> *pace = nullptr;   // none: the lane is free, and only keeps the others company
        std::int64_t updates = 0;  // made before this epoch
        Tally<T> tally;            // of what was learnt or looked at since `begin`
        double penalty = 0;        // its part in tally.loss, which is added at the end of an epoch
        double weight = 0;         // Σ weight of the examples
    };
    std::vector<Lane> lanes;

    virtual ~Networks() = default;
    virtual void put(std::size_t lane, const State<T> &state) = 0;
    virtual void take(std::size_t lane, State<T> &state) const = 0;

    // All learn from their examples number `position` up to `end`.
    virtual void learn(std::size_t position, std::size_t end) = 0;
    // The same without learning: what validation asks for.
    virtual void look(std::size_t position, std::size_t end) = 0;

    // Outputs and deltas of all layers, of the example that was last learnt from.
    virtual void signals(std::size_t lane, T *outputs, T *deltas) const = 0;

    // Before position 0 of an epoch, once every lane knows what it is shown. A free lane is shown what a
    // busy one is shown, so that nobody must be told apart on its account. part: 0 or 1, training or
    // validation; again: whether everybody is shown the same of it as when it was last begun.
    void begin(int part, bool again) {
        const auto busy = std::find_if(lanes.begin(), lanes.end(), [](const Lane &lane) { return lane.pace; });
        longest_ = 0;
        shortest_ = busy->shown.n;
        for (Lane &lane : lanes) {
            if (!lane.pace) lane.shown = busy->shown;
            lane.tally = {};
            lane.penalty = lane.weight = 0;
            longest_ = std::max(longest_, lane.shown.n);
            shortest_ = std::min(shortest_, lane.shown.n);
        }
        start(part, again);
    }

    // Examples of the network that has most.
    std::size_t longest() const { return longest_; }

protected:
    std::size_t longest_ = 0, shortest_ = 0;

private:
    virtual void start(int part, bool again) = 0;
};

}  // namespace tinyglass
