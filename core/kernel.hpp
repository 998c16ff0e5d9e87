// What every kernel is: a network that learns from one batch of examples after another.
//
// A kernel keeps the weights in a layout of its own; `restore` and `save` translate. It is asked for
// whole updates, and gives the same bits however often it is paused between them.

#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arithmetic.hpp"
#include "buffer.hpp"

namespace tinyglass {

// Everything that changes in training. Layout: arithmetic.hpp; first and second may be empty.
template <class T>
struct State {
    std::vector<T> parameters, first, second;
    std::int64_t epoch = 0, updates = 0;
};

// What is counted while examples are learnt from.
template <class T>
struct Tally {
    double loss = 0;          // Σ weight · loss, and of every update the penalty times its examples
    std::size_t correct = 0;  // examples
    T not_finite = 0;         // stays 0 as long as every weighted sum is finite

    bool is_finite() const { return not_finite == 0 && std::isfinite(loss); }
};

// The rule of every update: the learning rate of the epoch, and Adam's corrections.
template <class T>
class Pace {
public:
    explicit Pace(const Plan &plan) : plan_(plan) {
        if (plan.optimizer != Optimizer::adam) return;
        for (std::size_t k = 0; k < block; ++k) {
            powers1_[k] = std::pow(plan.beta1, double(k));
            powers2_[k] = std::pow(plan.beta2, double(k));
        }
    }

    double rate = 0;

    // Of update number 1, 2, …, which sees so many examples.
    Rule<T> at(std::int64_t update, std::size_t n_examples) {
        Rule<T> rule{plan_.optimizer,
                     T(rate),
                     T(plan_.momentum),
                     T(plan_.beta1),
                     T(plan_.beta2),
                     T(1 - plan_.beta1),  // in double: a beta may round to 1
                     T(1 - plan_.beta2),
                     T(1),
                     T(1),
                     T(plan_.epsilon),
                     T(plan_.weight_limit),
                     T(plan_.l2),
                     T(n_examples)};
        if (plan_.optimizer == Optimizer::adam) {
            // beta^update in two factors, a function of `update` alone: cheaper than a power, and the
            // same wherever training is continued.
            const std::int64_t here = update / block;
            if (here != block_number_) {
                block_number_ = here;
                block1_ = std::pow(plan_.beta1, double(here * block));
                block2_ = std::pow(plan_.beta2, double(here * block));
            }
            rule.correction1 = T(1 - block1_ * powers1_[update % block]);
            rule.correction2 = T(1 - block2_ * powers2_[update % block]);
        }
        return rule;
    }

private:
    static constexpr std::int64_t block = 64;
    const Plan &plan_;
    std::array<double, block> powers1_{}, powers2_{};
    std::int64_t block_number_ = -1;
    double block1_ = 1, block2_ = 1;
};

template <class T>
class Kernel {
public:
    std::int64_t updates = 0;  // made in all
    Pace<T> pace;

    Kernel(const Plan &plan, const Examples<T> &train) : pace(plan), plan_(plan), train_(train) {}
    Kernel(const Kernel &) = delete;
    virtual ~Kernel() = default;

    virtual const char *name() const = 0;

    // Starts from these weights and this memory, with an empty batch.
    virtual void restore(const State<T> &state) = 0;

    // Writes weights and memory; whatever an update put off is made good first.
    virtual void save(State<T> &state) = 0;

    // Learns from order[0 .. n), the rest of an epoch, or from the beginning of it: from `wanted`
    // examples at least, and on to where it may pause. Returns how many.
    virtual std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) = 0;

    // Looks at the examples position .. end that are kept aside, between two epochs; false if this kernel
    // leaves that to `Feedforward`. weight: Σ weight of all that were looked at
    virtual bool look(const Examples<T> &, std::size_t, std::size_t, Tally<T> &, double &) { return false; }

    // Outputs and deltas (times the example's weight) of all layers, of example k of the last call
    // of `learn` that wanted a single one.
    virtual void signals(std::size_t k, T *outputs, T *deltas) const = 0;

protected:
    const Plan &plan_;
    const Examples<T> &train_;

    std::size_t batch_size() const { return batch_of(plan_, train_.n); }
    const T *input(std::size_t example) const { return train_.inputs + example * plan_.layers.front().n_in; }
    const T *expected(std::size_t example) const { return train_.expected + example * plan_.layers.back().n_out; }
    T weight(std::size_t example) const { return train_.weight ? train_.weight[example] : T(1); }
};

}  // namespace tinyglass
