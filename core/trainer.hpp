// The compiled trainer: epochs of what arithmetic.hpp defines, paused and continued to the bit.

#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

#include "arithmetic.hpp"
#include "movements.hpp"

namespace tinyglass {

// paused: the time is up, or as many updates are made as were asked for. The others end the training.
enum class Status { paused, finished, stopped_early, non_finite, saturated };

// e^-88 is below smallest_probability: beyond this weighted sum, sigmoid, tanh and softmax are flat.
constexpr double flat_sum = 88;
constexpr double flat_slope = 1e-6;
constexpr std::size_t probed_examples = 1000;

// What must be kept to continue training from the start of an epoch, to the bit.
template <class T>
struct State {
    std::vector<T> parameters, first, second;
    std::int64_t epoch = 0, updates = 0;
};

// Where training stopped to be able to learn.
struct Trouble {
    std::int64_t epoch = -1, update = -1;  // update within that epoch
    std::int64_t layer = -1, neuron = -1, input = -1;  // input -1: the bias
    double value = 0;
    bool sum = false;  // value is a weighted sum, not the weight
};

template <class T>
class Trainer {
public:
    const Plan plan;
    State<T> now, epoch_start;
    std::vector<T> best_parameters;
    std::int64_t best_epoch = 0;  // epochs made when the best validation loss was measured
    double best_loss = std::numeric_limits<double>::infinity();
    double largest_sum_at_start = 0;
    std::vector<double> losses, accuracies, validation_losses, validation_accuracies;  // of each epoch
    Trouble trouble;
    std::optional<Movements<T>> movements;  // of the watched parameters, where any are

    Trainer(Plan plan_, Examples<T> train, Examples<T> validation, const std::vector<T> &parameters)
        : plan(std::move(plan_)), train_(train), validation_(validation), order_(train.n) {
        std::size_t n_signals = 0, n_parameters = 0;
        for (const Layer &layer : plan.layers) {
            parameter_start_.push_back(n_parameters);
            signal_start_.push_back(n_signals);
            n_parameters += layer.n_parameters();
            n_signals += layer.n_out;
            work_per_example_ += 3 * layer.n_parameters() + 20 * layer.n_out;
        }
        outputs_.resize(n_signals);
        deltas_.resize(n_signals);
        gradients_.resize(n_parameters);
        now.parameters = parameters;
        if (plan.optimizer != Optimizer::sgd) now.first.resize(n_parameters);
        if (plan.optimizer == Optimizer::adam) now.second.resize(n_parameters);
        best_parameters = parameters;
        epoch_start = now;
        largest_sum_at_start = probe().largest_sum;
    }

    // How many examples of the epoch are done.
    std::size_t position() const { return in_epoch_ ? position_ : 0; }

    // Trains until the end, until `until` updates have been made in all, or until the time is up,
    // looking at the clock between examples.
    Status run(double seconds, std::int64_t until = std::numeric_limits<std::int64_t>::max()) {
        const auto deadline = seconds < 1e9 ? Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                                std::chrono::duration<double>(seconds))
                                            : Clock::time_point::max();
        std::size_t work = 0;
        const auto time_is_up = [&] {
            work += work_per_example_;
            if (work < 50'000) return false;  // about 20 µs between looks
            work = 0;
            return Clock::now() >= deadline;
        };
        if (now.updates >= until) return Status::paused;
        if (!in_epoch_ && patience_is_over()) return Status::stopped_early;  // restored, or asked once more
        while (now.epoch < plan.epochs) {
            if (!in_epoch_) begin_epoch();
            while (position_ < train_.n) {
                learn(order_[position_++]);
                bool there = false;
                if (++in_batch_ == batch_size() || position_ == train_.n) {
                    end_batch();
                    there = now.updates >= until;
                }
                if (there || time_is_up()) {
                    if (is_finite()) return Status::paused;
                    find_non_finite();
                    return Status::non_finite;
                }
            }
            while (validated_ < validation_.n) {
                validate(validated_++);
                if (time_is_up()) return Status::paused;
            }
            const Status status = end_epoch();
            if (status != Status::paused) return status;
            if (time_is_up()) return Status::paused;
        }
        return Status::finished;
    }

    // Continues from a saved state, which is one at the start of an epoch.
    void restore(const State<T> &state) {
        now = epoch_start = state;
        in_epoch_ = false;
        movements.reset();  // what was remembered of each example is not in a state
    }

    // From now on, splits every movement of these parameters into shares.
    void watch(const std::vector<std::int64_t> &indices, std::size_t keep) {
        if (in_epoch_ && in_batch_ > 0) throw std::invalid_argument("watching begins between two updates");
        if (now.updates > 0 && plan.optimizer != Optimizer::sgd)
            throw std::invalid_argument("the optimiser remembers updates that were not watched");
        if (keep > 0xFFFFFFFFu) throw std::invalid_argument("too many updates to keep");
        movements.emplace(plan, indices, keep, train_.n);
    }

private:
    using Clock = std::chrono::steady_clock;

    const Examples<T> train_, validation_;
    std::vector<std::uint32_t> order_;
    std::vector<std::size_t> parameter_start_, signal_start_;
    std::vector<T> outputs_, deltas_;  // of all layers; layer l begins at signal_start_[l]
    std::vector<T> gradients_;         // sums over the batch so far
    std::size_t work_per_example_ = 0;

    bool in_epoch_ = false;
    std::size_t position_ = 0, validated_ = 0, in_batch_ = 0, correct_ = 0, validation_correct_ = 0;
    double rate_ = 0, loss_ = 0, batch_loss_ = 0, validation_loss_ = 0, validation_weight_ = 0;
    T not_finite_ = 0;  // stays 0 as long as every weighted sum is finite

    std::size_t batch_size() const {
        return plan.batch > 0 ? std::min<std::size_t>(plan.batch, train_.n) : train_.n;
    }
    const Layer &output_layer() const { return plan.layers.back(); }
    const T *outputs_of_network() const { return &outputs_[signal_start_.back()]; }

    bool patience_is_over() const {
        return validation_.n > 0 && plan.patience > 0 && now.epoch - best_epoch >= plan.patience;
    }

    void begin_epoch() {
        epoch_start = now;
        epoch_order(order_, plan.shuffle, plan.seed, now.epoch);
        rate_ = learning_rate(plan, now.epoch);
        position_ = validated_ = in_batch_ = correct_ = validation_correct_ = 0;
        loss_ = batch_loss_ = validation_loss_ = validation_weight_ = 0;
        not_finite_ = 0;
        std::fill(gradients_.begin(), gradients_.end(), T(0));
        in_epoch_ = true;
    }

    // Calls look(layer, sums) before the sums become outputs.
    template <class Look>
    void feedforward(const T *x, Look look) {
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            T *sums = &outputs_[signal_start_[l]];
            weighted_sums(plan.layers[l], &now.parameters[parameter_start_[l]], x, sums);
            look(l, sums);
            activate(plan.layers[l].activation, sums, plan.layers[l].n_out);
            x = sums;
        }
    }

    bool is_correct(const T *expected) const {
        const T *o = outputs_of_network();
        const std::size_t n = output_layer().n_out;
        if (n == 1) return (o[0] >= T(0.5)) == (expected[0] >= T(0.5));
        return std::max_element(o, o + n) - o == std::max_element(expected, expected + n) - expected;
    }

    void learn(std::size_t example) {
        const std::size_t n_out = output_layer().n_out;
        const T *x = train_.inputs + example * plan.layers.front().n_in;
        const T *y = train_.expected + example * n_out;
        feedforward(x, [&](std::size_t l, const T *sums) {
            T probe = 0;
            for (std::size_t j = 0; j < plan.layers[l].n_out; ++j) probe += sums[j] * 0;
            not_finite_ += probe;
        });
        const T *o = outputs_of_network();
        const T weight = train_.weight ? train_.weight[example] : T(1);
        batch_loss_ += weight * loss_of(plan.loss, output_layer().activation, o, y, n_out);
        correct_ += is_correct(y);
        backpropagate(o, y);
        if (weight != 1)
            for (T &delta : deltas_) delta *= weight;
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            add_gradients(plan.layers[l], x, &deltas_[signal_start_[l]], &gradients_[parameter_start_[l]]);
            x = &outputs_[signal_start_[l]];
        }
        if (movements)
            movements->see(example, train_.inputs + example * plan.layers.front().n_in, outputs_.data(), deltas_.data());
    }

    void backpropagate(const T *o, const T *y) {
        const std::size_t n_out = output_layer().n_out;
        T *delta = &deltas_[signal_start_.back()];
        for (std::size_t j = 0; j < n_out; ++j) delta[j] = o[j] - y[j];
        if (plan.loss == Loss::mean_squared_error)
            for (std::size_t j = 0; j < n_out; ++j) delta[j] = 2 * delta[j] / T(n_out);
        // Under cross-entropy, output − expected is already the delta.
        if (plan.loss != Loss::cross_entropy) through_activation(output_layer().activation, o, delta, n_out);

        for (std::size_t l = plan.layers.size() - 1; l > 0; --l) {
            const Layer &layer = plan.layers[l];
            const T *w = &now.parameters[parameter_start_[l]];
            const T *downstream = &deltas_[signal_start_[l]];
            T *errors = &deltas_[signal_start_[l - 1]];
            for (std::size_t i = 0; i < layer.n_in; ++i, w += layer.n_out) {
                T error = 0;
                for (std::size_t j = 0; j < layer.n_out; ++j) error += w[j] * downstream[j];
                errors[i] = error;
            }
            through_activation(plan.layers[l - 1].activation, &outputs_[signal_start_[l - 1]], errors, layer.n_in);
        }
    }

    static void add_gradients(const Layer &layer, const T *__restrict x, const T *__restrict delta, T *__restrict g) {
        for (std::size_t i = 0; i < layer.n_in; ++i, g += layer.n_out) {
            const T xi = x[i];
            for (std::size_t j = 0; j < layer.n_out; ++j) g[j] += delta[j] * xi;
        }
        if (layer.bias)
            for (std::size_t j = 0; j < layer.n_out; ++j) g[j] += delta[j];
    }

    void end_batch() {
        const T n = static_cast<T>(in_batch_);
        loss_ += batch_loss_;
        if (plan.l2 != 0) loss_ += penalty() * static_cast<double>(in_batch_);
        ++now.updates;
        const auto count = static_cast<double>(now.updates);
        const Rule<T> rule{plan.optimizer,
                           T(rate_),
                           T(plan.momentum),
                           T(plan.beta1),
                           T(plan.beta2),
                           T(1 - plan.beta1),  // in double: a beta may round to 1
                           T(1 - plan.beta2),
                           T(plan.optimizer == Optimizer::adam ? 1 - std::pow(plan.beta1, count) : 1),
                           T(plan.optimizer == Optimizer::adam ? 1 - std::pow(plan.beta2, count) : 1),
                           T(plan.epsilon),
                           T(plan.weight_limit)};
        if (movements) movements->before_update(now.parameters);
        const auto apply = [&](std::size_t from, std::size_t n_parameters, T l2) {
            update(rule, n, l2, &now.parameters[from], &gradients_[from],
                   now.first.empty() ? nullptr : &now.first[from], now.second.empty() ? nullptr : &now.second[from],
                   n_parameters);
        };
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Layer &layer = plan.layers[l];
            const std::size_t from = parameter_start_[l], n_weights = layer.n_in * layer.n_out;
            if (plan.l2 == 0) {
                apply(from, layer.n_parameters(), T(0));
            } else {
                apply(from, n_weights, T(plan.l2));
                if (layer.bias) apply(from + n_weights, layer.n_out, T(0));
            }
        }
        if (movements) movements->after_update(rule, now.parameters, now.second, now.updates);
        in_batch_ = 0;
        batch_loss_ = 0;
    }

    double penalty() const {
        double squares = 0;
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const T *w = &now.parameters[parameter_start_[l]];
            for (std::size_t k = 0; k < plan.layers[l].n_in * plan.layers[l].n_out; ++k) squares += double(w[k]) * w[k];
        }
        return plan.l2 * squares / 2;
    }

    void validate(std::size_t example) {
        const T *x = validation_.inputs + example * plan.layers.front().n_in;
        const T *y = validation_.expected + example * output_layer().n_out;
        feedforward(x, [](std::size_t, const T *) {});
        const double weight = validation_.weight ? validation_.weight[example] : 1;
        validation_loss_ +=
            weight * loss_of(plan.loss, output_layer().activation, outputs_of_network(), y, output_layer().n_out);
        validation_weight_ += weight;
        validation_correct_ += is_correct(y);
    }

    bool is_finite() const {
        return not_finite_ == 0 && std::isfinite(loss_) &&
               std::all_of(now.parameters.begin(), now.parameters.end(), [](T w) { return std::isfinite(w); });
    }

    Status end_epoch() {
        in_epoch_ = false;
        const double n = static_cast<double>(train_.n), loss = loss_ / n;
        if (!is_finite()) {
            find_non_finite();
            return Status::non_finite;
        }
        losses.push_back(loss);
        accuracies.push_back(static_cast<double>(correct_) / n);
        ++now.epoch;
        epoch_start = now;
        if (validation_.n > 0) {
            const double m = static_cast<double>(validation_.n);
            validation_losses.push_back(validation_loss_ / validation_weight_);
            validation_accuracies.push_back(static_cast<double>(validation_correct_) / m);
            if (validation_losses.back() < best_loss - plan.tolerance) {
                best_loss = validation_losses.back();
                best_epoch = now.epoch;
                best_parameters = now.parameters;
            }
        }
        if (loss >= 0.999 * plan.baseline && is_saturated()) return Status::saturated;
        if (patience_is_over()) return Status::stopped_early;
        return now.epoch < plan.epochs ? Status::paused : Status::finished;
    }

    // -------------------------------------------------------------- trouble

    struct Weight {
        std::int64_t neuron, input;
        double value;
    };

    // The first weight that is not finite, otherwise the largest, of one neuron or of the whole layer.
    Weight largest_weight(std::size_t l, std::int64_t neuron = -1) const {
        const Layer &layer = plan.layers[l];
        const T *w = &now.parameters[parameter_start_[l]];
        Weight largest{neuron < 0 ? 0 : neuron, 0, 0};
        for (std::size_t k = 0; k < layer.n_parameters(); ++k) {
            const auto j = static_cast<std::int64_t>(k % layer.n_out), i = static_cast<std::int64_t>(k / layer.n_out);
            if (neuron >= 0 && j != neuron) continue;
            if (!(std::abs(w[k]) <= std::abs(largest.value)))
                largest = {j, i < static_cast<std::int64_t>(layer.n_in) ? i : -1, double(w[k])};
            if (!std::isfinite(w[k])) break;
        }
        return largest;
    }

    // Replays the epoch update by update, up to the first that leaves the finite numbers, and
    // stays before it.
    void find_non_finite() {
        restore(epoch_start);
        begin_epoch();
        State<T> before = now;
        for (std::int64_t step = 0; position_ < train_.n; ++step) {
            before = now;
            Trouble sum;
            const std::size_t end = std::min(position_ + batch_size(), train_.n);
            while (position_ < end) {
                const std::size_t example = order_[position_++];
                learn(example);
                if (not_finite_ != 0 && sum.layer < 0) sum = non_finite_sum(example);
                ++in_batch_;
            }
            end_batch();
            for (std::size_t l = 0; l < plan.layers.size() && sum.layer < 0; ++l) {
                const Weight weight = largest_weight(l);
                if (!std::isfinite(weight.value)) sum = {0, 0, std::int64_t(l), weight.neuron, weight.input, weight.value, false};
            }
            if (sum.layer >= 0 || !std::isfinite(loss_)) {
                trouble = sum.layer >= 0 ? sum : largest_of_all();
                trouble.epoch = before.epoch;
                trouble.update = step;
                break;
            }
        }
        now = before;
        in_epoch_ = false;
    }

    // The weights are finite, but the loss is not.
    Trouble largest_of_all() const {
        Trouble found;
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Weight weight = largest_weight(l);
            if (found.layer < 0 || std::abs(weight.value) > std::abs(found.value))
                found = {0, 0, std::int64_t(l), weight.neuron, weight.input, weight.value, false};
        }
        return found;
    }

    Trouble non_finite_sum(std::size_t example) {
        Trouble found;
        feedforward(train_.inputs + example * plan.layers.front().n_in, [&](std::size_t l, const T *sums) {
            for (std::size_t j = 0; j < plan.layers[l].n_out && found.layer < 0; ++j)
                if (!std::isfinite(sums[j])) {
                    const Weight weight = largest_weight(l, static_cast<std::int64_t>(j));
                    found = {0, 0, std::int64_t(l), weight.neuron, weight.input, double(sums[j]), true};
                }
        });
        return found;
    }

    struct Probe {
        double largest_sum = 0;  // of the neurons whose activation flattens
        std::int64_t layer = -1, neuron = -1;
        // Layers that are flat for every example: an output layer whose slopes are 0, or a
        // hidden layer whose outputs are moreover always the same.
        std::vector<char> dead;
    };

    // Looks at the signals of up to `probed_examples` examples.
    Probe probe() {
        Probe result;
        result.dead.assign(plan.layers.size(), 1);
        const std::size_t stride = std::max<std::size_t>(1, train_.n / probed_examples);
        std::vector<T> first_outputs;
        for (std::size_t example = 0; example < train_.n; example += stride) {
            feedforward(train_.inputs + example * plan.layers.front().n_in, [&](std::size_t l, const T *sums) {
                const Activation activation = plan.layers[l].activation;
                if (activation != Activation::sigmoid && activation != Activation::tanh &&
                    activation != Activation::softmax)
                    return;
                for (std::size_t j = 0; j < plan.layers[l].n_out; ++j)
                    if (std::abs(sums[j]) > result.largest_sum) {
                        result.largest_sum = std::abs(sums[j]);
                        result.layer = static_cast<std::int64_t>(l);
                        result.neuron = static_cast<std::int64_t>(j);
                    }
            });
            if (example == 0) first_outputs = outputs_;
            for (std::size_t l = 0; l < plan.layers.size(); ++l) {
                const bool output = l + 1 == plan.layers.size();
                const T *a = &outputs_[signal_start_[l]], *first = &first_outputs[signal_start_[l]];
                for (std::size_t j = 0; j < plan.layers[l].n_out; ++j)
                    if (slope(plan.layers[l].activation, a[j]) > flat_slope ||
                        (!output && std::abs(a[j] - first[j]) > flat_slope))
                        result.dead[l] = 0;
            }
        }
        if (plan.loss == Loss::cross_entropy) result.dead.back() = 0;  // its slope cancels
        return result;
    }

    // Asked only where the loss is no better than a constant answer's.
    bool is_saturated() {
        const Probe seen = probe();
        const auto dead = std::find(seen.dead.begin(), seen.dead.end(), 1);
        if (dead != seen.dead.end()) {
            const auto l = dead - seen.dead.begin();
            const Weight weight = largest_weight(static_cast<std::size_t>(l));
            trouble = {now.epoch - 1, -1, l, weight.neuron, weight.input, weight.value, false};
            return true;
        }
        if (seen.largest_sum > flat_sum && seen.largest_sum > 10 * largest_sum_at_start) {
            const Weight weight = largest_weight(static_cast<std::size_t>(seen.layer), seen.neuron);
            trouble = {now.epoch - 1, -1, seen.layer, weight.neuron, weight.input, seen.largest_sum, true};
            return true;
        }
        return false;
    }
};

}  // namespace tinyglass
