// The compiled trainer: does what src/tinyglass/arithmetic.py defines, fast.
//
// One plain kernel, for float and double. Every sum runs in the order of the definition,
// and the compiler may not fuse a product with a sum, so that in double the two agree to
// the bit wherever exp, tanh, log and pow are the C library's.
//
// Letters: a layer has n_in inputs and n_out neurons; i is an input, j a neuron.
// A layer's parameters lie together: weights [n_in][n_out], then bias [n_out] if it has one.
// (The public layout is [n_out][n_in]; turned, the inner loop below runs over independent
// sums, which the compiler turns into vectors without reordering any of them.)

#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace tinyglass {

enum class Activation { linear, step, sigmoid, tanh, relu, leaky_relu, softmax };
enum class Loss { half_squared_error, mean_squared_error, cross_entropy };
enum class Optimizer { sgd, momentum, nesterov, adam };
enum class Schedule { constant, step, cosine };

// paused: the time is up. The others end the training.
enum class Status { paused, finished, stopped_early, non_finite, saturated };

constexpr double step_threshold = 0.5;
constexpr double smallest_probability = 0x1p-126;
// e^-88 is below smallest_probability: beyond this weighted sum, sigmoid, tanh and softmax are flat.
constexpr double flat_sum = 88;
constexpr double flat_slope = 1e-6;
constexpr std::size_t probed_examples = 1000;

struct Layer {
    std::size_t n_in, n_out;
    Activation activation;
    bool bias;
    std::size_t n_parameters() const { return n_out * (n_in + bias); }
};

struct Plan {
    std::vector<Layer> layers;
    Loss loss;
    Optimizer optimizer;
    double momentum, beta1, beta2, epsilon, l2;
    double weight_limit;  // infinity: none
    Schedule schedule;
    double rate, rate_drop;
    std::int64_t rate_every;
    std::int64_t epochs, batch;
    bool shuffle;
    std::uint64_t seed;
    std::int64_t patience;  // epochs without a better validation loss; 0: never stop early
    double tolerance;       // how much lower a validation loss must be to count as better
    double baseline;        // the loss of the best constant answer
};

template <class T>
struct Examples {
    const T *inputs;    // [n][n_in of the first layer]
    const T *expected;  // [n][n_out of the last layer]
    const T *weight;    // [n], or null: all 1
    std::size_t n;
};

// ------------------------------------------------------------------ randomness

// SplitMix64, one stream an epoch; see random_integers in arithmetic.py.
class RandomIntegers {
    static constexpr std::uint64_t step_ = 0x9E3779B97F4A7C15u;
    std::uint64_t state_;

    static std::uint64_t mix(std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

public:
    RandomIntegers(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed + step_ * (stream + 1))) {}

    std::uint64_t below(std::uint64_t n) {
        state_ += step_;
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(static_cast<Wide>(mix(state_)) * n >> 64);
    }
};

inline void epoch_order(std::vector<std::uint32_t> &order, bool shuffle, std::uint64_t seed, std::int64_t epoch) {
    std::iota(order.begin(), order.end(), 0u);
    if (!shuffle) return;
    RandomIntegers random(seed, static_cast<std::uint64_t>(epoch));
    for (std::size_t last = order.size() - 1; last > 0; --last) std::swap(order[last], order[random.below(last + 1)]);
}

inline double learning_rate(const Plan &plan, std::int64_t epoch) {
    switch (plan.schedule) {
        case Schedule::step:
            return plan.rate * std::pow(plan.rate_drop, static_cast<double>(epoch / plan.rate_every));
        case Schedule::cosine: {
            const double pi = 3.141592653589793;
            return plan.rate * ((1 + std::cos(pi * static_cast<double>(epoch) / static_cast<double>(plan.epochs))) / 2);
        }
        default: return plan.rate;
    }
}

// ------------------------------------------------------------------ feedforward

// Sums in, outputs out, in place.
template <class T>
void activate(Activation activation, T *a, std::size_t n) {
    switch (activation) {
        case Activation::linear: break;
        case Activation::step:
            for (std::size_t j = 0; j < n; ++j) a[j] = a[j] >= T(step_threshold) ? T(1) : T(0);
            break;
        case Activation::sigmoid:
            for (std::size_t j = 0; j < n; ++j) a[j] = 1 / (1 + std::exp(-a[j]));
            break;
        case Activation::tanh:
            for (std::size_t j = 0; j < n; ++j) a[j] = std::tanh(a[j]);
            break;
        case Activation::relu:
            for (std::size_t j = 0; j < n; ++j) a[j] = a[j] > 0 ? a[j] : T(0);
            break;
        case Activation::leaky_relu:
            for (std::size_t j = 0; j < n; ++j) a[j] = a[j] > 0 ? a[j] : a[j] / 100;
            break;
        case Activation::softmax: {
            const T largest = *std::max_element(a, a + n);
            T whole = 0;
            for (std::size_t j = 0; j < n; ++j) whole += a[j] = std::exp(a[j] - largest);
            for (std::size_t j = 0; j < n; ++j) a[j] /= whole;
            break;
        }
    }
}

// x [n_in], parameters of the layer -> sums [n_out]
template <class T>
void weighted_sums(const Layer &layer, const T *__restrict parameters, const T *__restrict x, T *__restrict sums) {
    const std::size_t n_out = layer.n_out;
    std::fill(sums, sums + n_out, T(0));
    for (std::size_t i = 0; i < layer.n_in; ++i, parameters += n_out) {
        const T xi = x[i];
        for (std::size_t j = 0; j < n_out; ++j) sums[j] += xi * parameters[j];
    }
    if (layer.bias)
        for (std::size_t j = 0; j < n_out; ++j) sums[j] += parameters[j];
}

// ------------------------------------------------------------------ loss and backpropagation

template <class T>
T logarithm(T probability) {
    return std::log(std::max(probability, T(smallest_probability)));
}

template <class T>
double loss_of(Loss loss, Activation activation, const T *o, const T *y, std::size_t n) {
    T sum = 0;
    switch (loss) {
        case Loss::half_squared_error:
        case Loss::mean_squared_error:
            for (std::size_t j = 0; j < n; ++j) sum += (o[j] - y[j]) * (o[j] - y[j]);
            return sum / (loss == Loss::half_squared_error ? T(2) : T(n));
        case Loss::cross_entropy:
            // A term with y = 0 is a zero that needs no logarithm.
            if (activation == Activation::sigmoid) {
                for (std::size_t j = 0; j < n; ++j)
                    sum += (y[j] == 0 ? T(0) : -y[j] * logarithm(o[j])) -
                           (y[j] == 1 ? T(0) : (1 - y[j]) * logarithm(1 - o[j]));
            } else {
                for (std::size_t j = 0; j < n; ++j)
                    if (y[j] != 0) sum += -y[j] * logarithm(o[j]);
            }
    }
    return sum;
}

// delta: errors in, deltas out, in place; a [n]: the outputs of the layer.
template <class T>
void through_activation(Activation activation, const T *__restrict a, T *__restrict delta, std::size_t n) {
    switch (activation) {
        case Activation::linear: break;
        case Activation::step: std::fill(delta, delta + n, T(0)); break;
        case Activation::sigmoid:
            for (std::size_t j = 0; j < n; ++j) delta[j] *= a[j] * (1 - a[j]);
            break;
        case Activation::tanh:
            for (std::size_t j = 0; j < n; ++j) delta[j] *= 1 - a[j] * a[j];
            break;
        case Activation::relu:
            for (std::size_t j = 0; j < n; ++j) delta[j] = a[j] > 0 ? delta[j] : T(0);
            break;
        case Activation::leaky_relu:
            for (std::size_t j = 0; j < n; ++j) delta[j] = a[j] > 0 ? delta[j] : delta[j] * (1 / T(100));
            break;
        case Activation::softmax: {
            T shared = 0;
            for (std::size_t k = 0; k < n; ++k) shared += delta[k] * a[k];
            for (std::size_t j = 0; j < n; ++j) delta[j] = a[j] * (delta[j] - shared);
            break;
        }
    }
}

// ∂output/∂sum of one neuron, from its output.
template <class T>
T slope(Activation activation, T a) {
    if (activation == Activation::softmax) activation = Activation::sigmoid;  // its own part: a (1 - a)
    T delta = 1;
    through_activation(activation, &a, &delta, 1);
    return delta;
}

// ------------------------------------------------------------------ update

template <class T>
struct Rule {
    Optimizer optimizer;
    T rate, momentum, beta1, beta2, rest1, rest2, correction1, correction2, epsilon, weight_limit;
};

// Parameters w [n] with gradient sums g [n], which are averaged over `batch` and set to zero.
template <class T>
void update(const Rule<T> &rule, T batch, T l2, T *__restrict w, T *__restrict g, T *__restrict first,
            T *__restrict second, std::size_t n) {
    if (batch != 1)
        for (std::size_t k = 0; k < n; ++k) g[k] /= batch;
    if (l2 != 0)
        for (std::size_t k = 0; k < n; ++k) g[k] += l2 * w[k];
    switch (rule.optimizer) {
        case Optimizer::sgd:
            for (std::size_t k = 0; k < n; ++k) w[k] -= rule.rate * g[k];
            break;
        case Optimizer::momentum:
            for (std::size_t k = 0; k < n; ++k) {
                first[k] = rule.momentum * first[k] + g[k];
                w[k] -= rule.rate * first[k];
            }
            break;
        case Optimizer::nesterov:
            for (std::size_t k = 0; k < n; ++k) {
                first[k] = rule.momentum * first[k] + g[k];
                w[k] -= rule.rate * (g[k] + rule.momentum * first[k]);
            }
            break;
        case Optimizer::adam:
            for (std::size_t k = 0; k < n; ++k) {
                first[k] = rule.beta1 * first[k] + rule.rest1 * g[k];
                second[k] = rule.beta2 * second[k] + rule.rest2 * (g[k] * g[k]);
                const T mean = first[k] / rule.correction1, mean_square = second[k] / rule.correction2;
                w[k] -= rule.rate * mean / (std::sqrt(mean_square) + rule.epsilon);
            }
            break;
    }
    if (rule.weight_limit != std::numeric_limits<T>::infinity())
        for (std::size_t k = 0; k < n; ++k)
            w[k] = w[k] > rule.weight_limit ? rule.weight_limit : w[k] < -rule.weight_limit ? -rule.weight_limit : w[k];
    std::fill(g, g + n, T(0));
}

// ------------------------------------------------------------------ training

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

    // Trains until the end or until the time is up, looking at the clock between examples.
    Status run(double seconds) {
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
        if (!in_epoch_ && patience_is_over()) return Status::stopped_early;  // restored, or asked once more
        while (now.epoch < plan.epochs) {
            if (!in_epoch_) begin_epoch();
            while (position_ < train_.n) {
                learn(order_[position_++]);
                if (++in_batch_ == batch_size() || position_ == train_.n) end_batch();
                if (time_is_up()) {
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
