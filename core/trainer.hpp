// The compiled trainer: epochs of what a kernel learns, paused and continued to the bit.

#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "arithmetic.hpp"
#include "choice.hpp"
#include "feedforward.hpp"
#include "kernel.hpp"
#include "movements.hpp"

namespace tinyglass {

// paused: the time is up, or as many updates are made as were asked for. The others end the training.
enum class Status { paused, finished, stopped_early, non_finite, saturated };

// e^-88 is below smallest_probability: beyond this weighted sum, sigmoid, tanh and softmax are flat.
constexpr double flat_sum = 88;
constexpr double flat_slope = 1e-6;
constexpr std::size_t probed_examples = 1000, probed_weights = 1'000'000;  // at most, each weight of each example counted

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
    std::vector<T> best_parameters;
    std::int64_t best_epoch = 0;  // epochs made when the best validation loss was measured
    double best_loss = std::numeric_limits<double>::infinity();
    std::vector<double> losses, accuracies, validation_losses, validation_accuracies;  // of each epoch
    Trouble trouble;
    std::optional<Movements<T>> movements;  // of the watched parameters, where any are

    // kernel: a name, or empty for the one that suits the training
    Trainer(Plan plan_, Examples<T> train, Examples<T> validation, const std::vector<T> &parameters,
            const std::string &kernel = "")
        : plan(std::move(plan_)), train_(train), validation_(validation), order_(train.n) {
        for (const Layer &layer : plan.layers) {
            parameter_start_.push_back(n_parameters_);
            signal_start_.push_back(n_signals_);
            n_parameters_ += layer.n_parameters();
            n_signals_ += layer.n_out;
            work_per_example_ += 3 * layer.n_parameters() + 20 * layer.n_out;
        }
        // Keeping a state takes as long as some 500 multiplications for each weight: 1 % of the time goes there.
        kept_every_ = 1 + (between_looks + 50'000 * n_parameters_) / (train.n * work_per_example_);
        now_.parameters = parameters;
        if (plan.optimizer != Optimizer::sgd) now_.first.resize(n_parameters_);
        if (plan.optimizer == Optimizer::adam) now_.second.resize(n_parameters_);
        best_parameters = parameters;
        epoch_start_ = now_;
        start_ = parameters;
        std::iota(order_.begin(), order_.end(), 0u);
        kernel_ = make_kernel<T>(kernel.empty() ? chosen_kernel(plan, train.n) : kernel, plan, train_);
        kernel_->restore(now_);
    }

    const char *kernel() const { return kernel_->name(); }
    Kernel<T> &learner() { return *kernel_; }
    const Examples<T> &train() const { return train_; }
    const Examples<T> &validation() const { return validation_; }
    std::size_t work_per_example() const { return work_per_example_; }
    std::int64_t epoch() const { return now_.epoch; }
    std::int64_t updates() const { return kernel_->updates; }

    // How many examples of the epoch are done.
    std::size_t position() const { return in_epoch_ ? position_ : 0; }

    // The training as it is, also within an epoch.
    const State<T> &now() {
        if (!is_saved_) kernel_->save(now_);
        is_saved_ = true;
        return now_;
    }

    // The largest weighted sum of the neurons whose activation flattens, before the first update; looked
    // for once it is asked for.
    double largest_sum_at_start() {
        if (!start_.empty()) {
            now();
            now_.parameters.swap(start_);
            largest_sum_at_start_ = probe().largest_sum;
            now_.parameters.swap(start_);
            start_.clear();
        }
        return largest_sum_at_start_;
    }
    void set_largest_sum_at_start(double sum) {
        start_.clear();
        largest_sum_at_start_ = sum;
    }

    // The start of an epoch, from which training can be continued to the bit: of this epoch where an
    // epoch is much work, otherwise of one shortly before.
    const State<T> &epoch_start() const { return epoch_start_; }

    // Trains until the end, until `until` updates have been made in all, or until the time is up.
    Status run(double seconds, std::int64_t until = std::numeric_limits<std::int64_t>::max()) {
        const auto deadline = seconds < 1e9 ? Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                                std::chrono::duration<double>(seconds))
                                            : Clock::time_point::max();
        std::size_t work = 0;
        const auto time_is_up = [&](std::size_t examples) {
            work += work_per_example_ * examples;
            if (work < between_looks) return false;
            work = 0;
            return Clock::now() >= deadline;
        };
        if (updates() >= until) return Status::paused;
        if (!in_epoch_ && patience_is_over()) return Status::stopped_early;  // restored, or asked once more
        while (now_.epoch < plan.epochs) {
            if (!in_epoch_) begin_epoch();
            while (position_ < train_.n) {
                const std::size_t taken = learn(until);
                if (updates() >= until) return leave_off();
                if (!is_short_epoch() && time_is_up(taken)) return tally_.is_finite() ? Status::paused : leave_off();
            }
            while (validated_ < validation_.n) {
                const std::size_t examples = validate();
                if (!is_short_epoch() && time_is_up(examples)) return Status::paused;
            }
            const Status status = end_epoch();
            if (status != Status::paused) return status;
            if (time_is_up(is_short_epoch() ? train_.n + validation_.n : 1)) return Status::paused;
        }
        return Status::finished;
    }

    // After a pause that is to be the last one, which looks at no weight: whether what was reached is finite.
    Status leave_off() {
        if (is_finite()) return Status::paused;
        find_non_finite();
        return Status::non_finite;
    }

    // Continues from a saved state, which is one at the start of an epoch.
    void restore(const State<T> &state) {
        now_ = epoch_start_ = state;
        kernel_->restore(now_);
        is_saved_ = true;
        in_epoch_ = false;
        movements.reset();  // what was remembered of each example is not in a state
    }

    // ---- An epoch that others carry out, for many that learn together; see many/trainer.hpp.

    // Begins one; returns the order of its examples.
    const std::uint32_t *open_epoch() {
        begin_epoch();
        return order_.data();
    }

    // It is over; `paused` if another may follow. weight: of all validation examples
    Status close_epoch(const Tally<T> &learnt, const Tally<T> &validated, double weight) {
        tally_ = learnt;
        validation_tally_ = validated;
        validation_weight_ = weight;
        position_ = train_.n;
        is_saved_ = false;
        return end_epoch();
    }

    // It is left off after so many examples.
    Status pause_epoch(const Tally<T> &learnt, std::size_t position) {
        tally_ = learnt;
        position_ = position;
        is_saved_ = false;
        return leave_off();
    }

    // From now on, splits every movement of these parameters into shares.
    void watch(const std::vector<std::int64_t> &indices, std::size_t keep) {
        if (in_batch() > 0) throw std::invalid_argument("watching begins between two updates");
        if (updates() > 0 && plan.optimizer != Optimizer::sgd)
            throw std::invalid_argument("the optimiser remembers updates that were not watched");
        if (keep > 0xFFFFFFFFu) throw std::invalid_argument("too many updates to keep");
        movements.emplace(plan, indices, keep, train_.n);
    }

private:
    using Clock = std::chrono::steady_clock;
    // In multiplications, roughly: about 20 µs between two looks at the clock.
    static constexpr std::size_t between_looks = 200'000;
    static constexpr std::size_t validated_at_once = 256;

    const Examples<T> train_, validation_;
    std::unique_ptr<Kernel<T>> kernel_;
    State<T> now_, epoch_start_;
    std::vector<T> start_;  // the first parameters, until their sums are looked at
    double largest_sum_at_start_ = 0;
    std::vector<double> largest_inputs_;  // [n_in]: |input|, of the probed examples
    bool is_saved_ = true;  // now_ holds what the kernel holds
    std::vector<std::uint32_t> order_;
    std::optional<Feedforward<T>> feedforward_;  // of what is kept aside, unless the kernel looks at it itself
    std::vector<std::size_t> parameter_start_, signal_start_;
    std::size_t n_parameters_ = 0, n_signals_ = 0, work_per_example_ = 0;
    std::int64_t kept_every_ = 1;  // epochs between two states kept

    bool in_epoch_ = false;
    std::size_t position_ = 0, validated_ = 0;
    Tally<T> tally_, validation_tally_;
    double validation_weight_ = 0;
    std::vector<T> validation_outputs_;

    std::size_t batch_size() const { return batch_of(plan, train_.n); }
    std::size_t in_batch() const { return in_epoch_ && position_ < train_.n ? position_ % batch_size() : 0; }
    const Layer &output_layer() const { return plan.layers.back(); }

    // So little work that the clock need not be looked at before its end.
    bool is_short_epoch() const { return (train_.n + validation_.n) * work_per_example_ < between_looks; }

    bool patience_is_over() const {
        return validation_.n > 0 && plan.patience > 0 && now_.epoch - best_epoch >= plan.patience;
    }

    void begin_epoch() {
        if (plan.shuffle) epoch_order(order_, plan.seed, now_.epoch);
        kernel_->pace.rate = learning_rate(plan, now_.epoch);
        position_ = validated_ = 0;
        tally_ = validation_tally_ = {};
        validation_weight_ = 0;
        in_epoch_ = true;
    }

    // Learns from some of the examples that are left of the epoch; returns how many.
    std::size_t learn(std::int64_t until) {
        const std::size_t left = train_.n - position_;
        std::size_t wanted = movements ? 1 : between_looks / work_per_example_ + 1;
        const auto updates_left = static_cast<std::uint64_t>(until - updates());
        if (updates_left < left) wanted = std::min(wanted, updates_left * batch_size() - in_batch());
        const std::uint32_t *order = &order_[position_];
        if (movements) movements->before_update(now().parameters);
        const std::int64_t updates_before = updates();
        const std::size_t taken = kernel_->learn(order, left, wanted, tally_);
        position_ += taken;
        is_saved_ = false;
        if (movements) show_movements(order, taken, updates() > updates_before);
        return taken;
    }

    void show_movements(const std::uint32_t *order, std::size_t n, bool updated) {
        std::vector<T> outputs(n_signals_), deltas(n_signals_);
        for (std::size_t k = 0; k < n; ++k) {
            kernel_->signals(k, outputs.data(), deltas.data());
            movements->see(order[k], train_.inputs + order[k] * plan.layers.front().n_in, outputs.data(), deltas.data());
        }
        const std::size_t n_examples = in_batch() > 0 ? in_batch() : (train_.n - 1) % batch_size() + 1;
        if (updated)
            movements->after_update(kernel_->pace.at(updates(), n_examples), now().parameters, now().second, updates());
    }

    // Looks at some examples that are kept aside; returns how many.
    std::size_t validate() {
        const std::size_t n = std::min(validated_at_once, validation_.n - validated_), n_out = output_layer().n_out;
        if (kernel_->look(validation_, validated_, validated_ + n, validation_tally_, validation_weight_)) {
            validated_ += n;
            return n;
        }
        if (!feedforward_) feedforward_.emplace(plan.layers);
        if (validated_ == 0) feedforward_->set_parameters(now().parameters.data());
        validation_outputs_.resize(validated_at_once * n_out);
        feedforward_->outputs(validation_.inputs + validated_ * plan.layers.front().n_in, n, validation_outputs_.data());
        for (std::size_t k = 0; k < n; ++k, ++validated_) {
            const T *o = &validation_outputs_[k * n_out], *y = validation_.expected + validated_ * n_out;
            const double weight = validation_.weight ? validation_.weight[validated_] : 1;
            validation_tally_.loss += weight * loss_of(plan.loss, output_layer().activation, o, y, n_out);
            validation_tally_.correct += is_correct(o, y, n_out);
            validation_weight_ += weight;
        }
        return n;
    }

    bool is_finite() {
        const std::vector<T> &w = now().parameters;
        return tally_.is_finite() && std::all_of(w.begin(), w.end(), [](T x) { return std::isfinite(x); });
    }

    // Keeps the state for `epoch_start`, unless it is no longer finite.
    bool keep_epoch_start() {
        if (!is_finite()) return false;
        epoch_start_ = now();
        return true;
    }

    Status end_epoch() {
        in_epoch_ = false;
        const double n = static_cast<double>(train_.n), loss = tally_.loss / n;
        losses.push_back(loss);
        accuracies.push_back(static_cast<double>(tally_.correct) / n);
        ++now_.epoch;
        const bool is_last = now_.epoch == plan.epochs;
        // Often at the beginning, so that a hopeless start is seen at once, and rarely later.
        const bool is_power_of_two = (now_.epoch & (now_.epoch - 1)) == 0;
        const bool look = is_last || is_power_of_two || now_.epoch % std::max<std::int64_t>(kept_every_, 32) == 0;
        const bool keep = look || validation_.n > 0 || now_.epoch % kept_every_ == 0;
        if (!tally_.is_finite() || (keep && !keep_epoch_start())) {
            find_non_finite();
            return Status::non_finite;
        }
        if (validation_.n > 0) {
            const double m = static_cast<double>(validation_.n);
            validation_losses.push_back(validation_tally_.loss / validation_weight_);
            validation_accuracies.push_back(static_cast<double>(validation_tally_.correct) / m);
            if (validation_losses.back() < best_loss - plan.tolerance) {
                best_loss = validation_losses.back();
                best_epoch = now_.epoch;
                best_parameters = now().parameters;
            }
        }
        if (look && loss >= 0.999 * plan.baseline && is_saturated()) return Status::saturated;
        if (patience_is_over()) return Status::stopped_early;
        return is_last ? Status::finished : Status::paused;
    }

    // -------------------------------------------------------------- trouble

    struct Weight {
        std::int64_t neuron, input;
        double value;
    };

    // The first weight that is not finite, otherwise the largest, of one neuron or of the whole layer.
    [[gnu::cold]] Weight largest_weight(std::size_t l, std::int64_t neuron = -1) const {
        const Layer &layer = plan.layers[l];
        const T *w = &now_.parameters[parameter_start_[l]];
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

    // From the last state kept: after how many updates, at most, every weighted sum was last seen to be finite.
    // Weights that are not finite make the sums of the next example so.
    [[gnu::cold]] std::int64_t last_finite_update() {
        restore(epoch_start_);
        std::int64_t seen = updates();
        while (now_.epoch < plan.epochs) {
            begin_epoch();
            while (position_ < train_.n) {
                seen = updates();
                learn(std::numeric_limits<std::int64_t>::max());
                if (!tally_.is_finite()) return seen;
            }
            if (!is_finite()) return seen;
            ++now_.epoch;
        }
        return seen;
    }

    // Replays, update by update near the end, up to the first one that leaves the finite numbers, and stays
    // before it.
    [[gnu::cold]] void find_non_finite() {
        const std::int64_t doubtful = last_finite_update() - 1;
        restore(epoch_start_);
        State<T> before = now_;
        while (now_.epoch < plan.epochs && trouble.layer < 0) {
            begin_epoch();
            const std::int64_t updates_before = updates();
            while (position_ < train_.n && trouble.layer < 0) {
                if (updates() < doubtful) {
                    learn(doubtful);
                    continue;
                }
                before = now();
                const std::size_t first = position_;
                const std::int64_t next = updates() + 1;
                while (updates() < next) learn(next);
                Trouble found = non_finite_weight();
                if (!tally_.is_finite()) {
                    if (found.layer < 0) found = largest_of_all();
                    now_.parameters = before.parameters;
                    const Trouble sum = non_finite_sum(first, position_);
                    if (sum.layer >= 0) found = sum;
                }
                if (found.layer >= 0) {
                    trouble = found;
                    trouble.epoch = before.epoch;
                    trouble.update = next - 1 - updates_before;
                }
            }
            if (trouble.layer < 0) ++now_.epoch;
        }
        restore(before);
        for (auto *curve : {&losses, &accuracies, &validation_losses, &validation_accuracies})
            curve->resize(std::min(curve->size(), static_cast<std::size_t>(now_.epoch)));
    }

    [[gnu::cold]] Trouble non_finite_weight() {
        now();
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Weight weight = largest_weight(l);
            if (!std::isfinite(weight.value))
                return {0, 0, std::int64_t(l), weight.neuron, weight.input, weight.value, false};
        }
        return {};
    }

    // The weights are finite, but the loss is not.
    [[gnu::cold]] Trouble largest_of_all() const {
        Trouble found;
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Weight weight = largest_weight(l);
            if (found.layer < 0 || std::abs(weight.value) > std::abs(found.value))
                found = {0, 0, std::int64_t(l), weight.neuron, weight.input, weight.value, false};
        }
        return found;
    }

    // Calls look(layer, sums, outputs) for every layer, with the weights of now_, which must be saved.
    template <class Look>
    void look_at(const T *x, Look look) const {
        std::vector<T> sums, outputs, before(x, x + plan.layers.front().n_in);
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Layer &layer = plan.layers[l];
            sums.resize(layer.n_out);
            weighted_sums(layer, &now_.parameters[parameter_start_[l]], before.data(), sums.data());
            outputs = sums;
            activate(layer.activation, outputs.data(), layer.n_out);
            look(l, sums, outputs);
            before.swap(outputs);
        }
    }

    // The first weighted sum that is not finite, of the examples first .. last of the epoch's order.
    [[gnu::cold]] Trouble non_finite_sum(std::size_t first, std::size_t last) const {
        Trouble found;
        for (std::size_t k = first; k < last && found.layer < 0; ++k)
            look_at(train_.inputs + order_[k] * plan.layers.front().n_in,
                    [&](std::size_t l, const std::vector<T> &sums, const std::vector<T> &) {
                        for (std::size_t j = 0; j < sums.size() && found.layer < 0; ++j)
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

    // Calls look(example) for up to `probed_examples` examples, as long as it returns true.
    template <class Look>
    void for_probed(Look look) const {
        const std::size_t most = std::min(probed_examples, 10 + probed_weights / n_parameters_);
        const std::size_t stride = std::max<std::size_t>(1, train_.n / most);
        for (std::size_t example = 0; example < train_.n && look(example); example += stride) {
        }
    }

    // Looks at the signals of the probed examples; where only the dead layers matter, until all are alive.
    Probe probe(bool dead_only = false) {
        now();
        Probe result;
        result.dead.assign(plan.layers.size(), 1);
        if (plan.loss == Loss::cross_entropy) result.dead.back() = 0;  // its slope cancels
        std::vector<std::vector<T>> first_outputs(plan.layers.size());
        for_probed([&](std::size_t example) {
            look_at(train_.inputs + example * plan.layers.front().n_in,
                    [&](std::size_t l, const std::vector<T> &sums, const std::vector<T> &outputs) {
                        if (example == 0) first_outputs[l] = outputs;
                        probe_layer(result, l, sums, outputs, first_outputs[l]);
                    });
            return !dead_only || std::count(result.dead.begin(), result.dead.end(), 1) > 0;
        });
        return result;
    }

    static bool flattens(Activation activation) {
        return activation == Activation::sigmoid || activation == Activation::tanh || activation == Activation::softmax;
    }

    // No probed example can give a neuron whose activation flattens a larger weighted sum.
    double largest_possible_sum() {
        now();
        if (largest_inputs_.empty()) {
            const std::size_t n_in = plan.layers.front().n_in;
            largest_inputs_.resize(n_in);
            for_probed([&](std::size_t example) {
                for (std::size_t i = 0; i < n_in; ++i)
                    largest_inputs_[i] = std::max<double>(largest_inputs_[i], std::abs(train_.inputs[example * n_in + i]));
                return true;
            });
        }
        std::vector<double> outputs = largest_inputs_;
        double largest = 0;
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Layer &layer = plan.layers[l];
            const T *w = &now_.parameters[parameter_start_[l]];
            std::vector<double> sums(layer.n_out);
            for (std::size_t i = 0; i < layer.n_in + layer.bias; ++i)
                for (std::size_t j = 0; j < layer.n_out; ++j)
                    sums[j] += std::abs(double(*w++)) * (i < layer.n_in ? outputs[i] : 1);
            if (flattens(layer.activation)) {
                largest = std::max(largest, *std::max_element(sums.begin(), sums.end()));
                sums.assign(layer.n_out, 1);
            }
            outputs.swap(sums);
        }
        return largest;
    }

    void probe_layer(Probe &result, std::size_t l, const std::vector<T> &sums, const std::vector<T> &outputs,
                     const std::vector<T> &first_outputs) const {
        const Activation activation = plan.layers[l].activation;
        const bool is_flat_far_out = flattens(activation), is_output = l + 1 == plan.layers.size();
        for (std::size_t j = 0; j < sums.size(); ++j) {
            if (is_flat_far_out && std::abs(sums[j]) > result.largest_sum) {
                result.largest_sum = std::abs(sums[j]);
                result.layer = static_cast<std::int64_t>(l);
                result.neuron = static_cast<std::int64_t>(j);
            }
            if (slope(activation, outputs[j]) > flat_slope ||
                (!is_output && std::abs(outputs[j] - first_outputs[j]) > flat_slope))
                result.dead[l] = 0;
        }
    }

    // Asked only where the loss is no better than a constant answer's.
    bool is_saturated() {
        // Rounding may add a little to what is possible.
        const bool dead_only = largest_possible_sum() < 0.999 * flat_sum;
        const Probe seen = probe(dead_only);
        const auto dead = std::find(seen.dead.begin(), seen.dead.end(), 1);
        if (dead != seen.dead.end()) {
            const auto l = dead - seen.dead.begin();
            const Weight weight = largest_weight(static_cast<std::size_t>(l));
            trouble = {now_.epoch - 1, -1, l, weight.neuron, weight.input, weight.value, false};
            return true;
        }
        if (!dead_only && seen.largest_sum > flat_sum && seen.largest_sum > 10 * largest_sum_at_start()) {
            const Weight weight = largest_weight(static_cast<std::size_t>(seen.layer), seen.neuron);
            trouble = {now_.epoch - 1, -1, seen.layer, weight.neuron, weight.input, seen.largest_sum, true};
            return true;
        }
        return false;
    }
};

}  // namespace tinyglass
