// Which example moved a watched parameter, and in which updates.
//
// An update moves a parameter by p_after - p_before. That movement is split into shares: one
// of each training example, one of L2 and one of the weight limit (what clipping took back).
// What an optimiser remembers is linear in the gradients it was shown, so each example's part
// of the memory is kept beside the memory itself; Adam's divisor is taken as it was. All in
// double, from the numbers that the update used: the shares add up to the movement but for rounding.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "arithmetic.hpp"

namespace tinyglass {

constexpr std::int64_t share_of_l2 = -1, share_of_limit = -2, share_of_nothing = -3;

template <class T>
class Movements {
public:
    const std::size_t n_watched, n_examples, n_shares, keep;  // n_shares: the examples, L2, the limit
    std::vector<double> net, path;                            // [n_watched][n_shares]: Σ share, Σ |share|
    // [n_watched][keep]: the updates that moved it most, the furthest first, each with its largest share
    std::vector<std::int64_t> kept_updates, kept_example;
    std::vector<double> kept_movement, kept_share;

    Movements(const Plan &plan, const std::vector<std::int64_t> &indices, std::size_t keep_, std::size_t n_examples_)
        : n_watched(indices.size()),
          n_examples(n_examples_),
          n_shares(n_examples_ + 2),
          keep(keep_),
          net(n_watched * n_shares),
          path(n_watched * n_shares),
          kept_updates(n_watched * keep, -1),
          kept_example(n_watched * keep, share_of_nothing),
          kept_movement(n_watched * keep),
          kept_share(n_watched * keep),
          l2_(T(plan.l2)),
          remembers_(plan.optimizer != Optimizer::sgd),
          gradients_(n_watched * (n_examples + 1)),
          memory_(remembers_ ? gradients_.size() : 0),
          shares_(n_shares),
          before_(n_watched) {
        for (const std::int64_t index : indices) places_.push_back(find(plan.layers, index));
    }

    // None is inlined: where nothing is watched, the trainer stays as small and as fast as without.

    // After backpropagation: inputs and outputs, deltas [n_signals] of one example.
    [[gnu::noinline]] void see(std::size_t example, const T *inputs, const T *outputs, const T *deltas) {
        in_batch_.push_back(example);
        for (std::size_t k = 0; k < n_watched; ++k) {
            const Place &place = places_[k];
            const T x = place.bias ? T(1) : (place.first_layer ? inputs : outputs)[place.input];
            gradients_[k * (n_examples + 1) + example] = double(deltas[place.delta]) * double(x);
        }
    }

    [[gnu::noinline]] void before_update(const std::vector<T> &parameters) {
        for (std::size_t k = 0; k < n_watched; ++k) before_[k] = parameters[places_[k].index];
    }

    [[gnu::noinline]] void after_update(const Rule<T> &rule, const std::vector<T> &parameters,
                                        const std::vector<T> &second, std::int64_t update) {
        for (std::size_t k = 0; k < n_watched; ++k) {
            const std::size_t index = places_[k].index;
            const double sum = share_out(k, split(rule, second.empty() ? T(0) : second[index]));
            const double after = parameters[index], limit = rule.weight_limit, moved = after - before_[k];
            add(k, n_examples + 1, std::abs(after) == limit ? moved - sum : 0);
            if (keep > 0) remember(k, update, moved);
        }
        in_batch_.clear();
    }

private:
    // Where the gradient of a parameter comes from: delta · input, or delta for a bias.
    struct Place {
        std::size_t index, input, delta;
        bool first_layer, bias;
    };

    // memory = decay · memory + fresh · gradient; share = direct · gradient + through · memory
    struct Split {
        double decay, fresh, direct, through;
    };

    const double l2_;
    const bool remembers_;
    std::vector<Place> places_;
    std::vector<std::size_t> in_batch_;        // the examples of this batch so far
    std::vector<double> gradients_, memory_;   // [n_watched][n_examples + 1], L2 being the last
    std::vector<double> shares_, before_;      // of this update: [n_shares] of one parameter, [n_watched]

    static Place find(const std::vector<Layer> &layers, std::int64_t index) {
        std::size_t first_parameter = 0, first_signal = 0, first_input = 0;
        for (const Layer &layer : layers) {
            const std::size_t k = static_cast<std::size_t>(index) - first_parameter, i = k / layer.n_out;
            if (index >= 0 && k < layer.n_parameters())
                return {k + first_parameter, first_input + i, first_signal + k % layer.n_out, &layer == &layers.front(),
                        i == layer.n_in};
            first_parameter += layer.n_parameters();
            first_input = first_signal;
            first_signal += layer.n_out;
        }
        throw std::invalid_argument("no such parameter");
    }

    static Split split(const Rule<T> &rule, T second) {
        const double rate = rule.rate, momentum = rule.momentum;
        switch (rule.optimizer) {
            case Optimizer::momentum: return {momentum, 1, 0, -rate};
            case Optimizer::nesterov: return {momentum, 1, -rate, -rate * momentum};
            case Optimizer::adam: {
                const T divisor = std::sqrt(second / rule.correction2) + rule.epsilon;
                return {rule.beta1, rule.rest1, 0, -rate / double(rule.correction1) / double(divisor)};
            }
            default: return {0, 0, -rate, 0};
        }
    }

    void add(std::size_t k, std::size_t column, double share) {
        shares_[column] = share;
        net[k * n_shares + column] += share;
        path[k * n_shares + column] += std::abs(share);
    }

    // Shares of the examples and of L2; returns their sum.
    double share_out(std::size_t k, const Split &split) {
        double *gradient = &gradients_[k * (n_examples + 1)], sum = 0;
        const double batch = static_cast<double>(in_batch_.size());
        for (const std::size_t example : in_batch_) gradient[example] /= batch;
        gradient[n_examples] = places_[k].bias ? 0 : l2_ * before_[k];
        if (remembers_) {
            double *memory = &memory_[k * (n_examples + 1)];
            for (std::size_t s = 0; s <= n_examples; ++s) {
                memory[s] = split.decay * memory[s] + split.fresh * gradient[s];
                const double share = split.direct * gradient[s] + split.through * memory[s];
                add(k, s, share);
                sum += share;
            }
        } else {
            const auto share = [&](std::size_t s) {
                add(k, s, split.direct * gradient[s]);
                sum += shares_[s];
            };
            for (const std::size_t example : in_batch_) share(example);
            share(n_examples);
        }
        for (const std::size_t example : in_batch_) gradient[example] = 0;
        return sum;
    }

    void remember(std::size_t k, std::int64_t update, double moved) {
        const std::size_t row = k * keep;
        std::size_t place = keep;
        while (place > 0 && (kept_updates[row + place - 1] < 0 ||
                             std::abs(moved) > std::abs(kept_movement[row + place - 1])))
            --place;
        if (place == keep) return;
        std::size_t largest = n_shares;
        const auto compare = [&](std::size_t s) {
            const double share = std::abs(shares_[s]), best = largest < n_shares ? std::abs(shares_[largest]) : 0;
            if (share > best || (share == best && s < largest && share > 0)) largest = s;
        };
        if (remembers_)
            for (std::size_t s = 0; s < n_examples; ++s) compare(s);
        else
            for (const std::size_t example : in_batch_) compare(example);
        compare(n_examples);
        compare(n_examples + 1);
        const auto insert = [&](auto &kept, auto value) {
            std::copy_backward(kept.begin() + row + place, kept.begin() + row + keep - 1, kept.begin() + row + keep);
            kept[row + place] = value;
        };
        insert(kept_updates, update);
        insert(kept_movement, moved);
        insert(kept_share, largest < n_shares ? shares_[largest] : 0.0);
        insert(kept_example, largest < n_examples       ? static_cast<std::int64_t>(largest)
                             : largest == n_examples     ? share_of_l2
                             : largest == n_examples + 1 ? share_of_limit
                                                         : share_of_nothing);
    }
};

}  // namespace tinyglass
