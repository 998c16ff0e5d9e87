// What src/tinyglass/arithmetic.py defines, compiled, for float and double: layers, plans, feedforward, loss,
// the rules of an update. Every sum runs in the order of the definition, and the compiler may not fuse a product
// with a sum, so that in double the two agree to the bit wherever exp, tanh, log and pow are the C library's.
// The kernel plain.hpp trains by it; the others are held to that one.
//
// Letters: a layer has n_in inputs and n_out neurons; i is an input, j a neuron.
// A layer's parameters lie together: weights [n_in][n_out], then bias [n_out] if it has one.
// (The public layout is [n_out][n_in]; turned, the inner loop below runs over independent
// sums, which the compiler turns into vectors without reordering any of them.)

#pragma once

#include <algorithm>
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

constexpr double step_threshold = 0.5;
constexpr double smallest_probability = 0x1p-126;

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

inline std::size_t count_parameters(const std::vector<Layer> &layers) {
    std::size_t n = 0;
    for (const Layer &layer : layers) n += layer.n_parameters();
    return n;
}

// Examples to an update; 0 stands for all.
inline std::size_t batch_of(const Plan &plan, std::size_t n_examples) {
    return plan.batch > 0 ? std::min<std::size_t>(plan.batch, n_examples) : n_examples;
}

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

inline void epoch_order(std::vector<std::uint32_t> &order, std::uint64_t seed, std::int64_t epoch) {
    std::iota(order.begin(), order.end(), 0u);
    RandomIntegers random(seed, static_cast<std::uint64_t>(epoch));
    for (std::size_t n = order.size(); n > 1; --n) std::swap(order[n - 1], order[random.below(n)]);
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
T clamped_log(T probability) {
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
                    sum += (y[j] == 0 ? T(0) : -y[j] * clamped_log(o[j])) -
                           (y[j] == 1 ? T(0) : (1 - y[j]) * clamped_log(1 - o[j]));
            } else {
                for (std::size_t j = 0; j < n; ++j)
                    if (y[j] != 0) sum += -y[j] * clamped_log(o[j]);
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

// Of one output: on the same side of ½ as expected; of several: the largest is the expected one.
template <class T>
bool is_correct(const T *o, const T *y, std::size_t n) {
    if (n == 1) return (o[0] >= T(0.5)) == (y[0] >= T(0.5));
    return std::max_element(o, o + n) - o == std::max_element(y, y + n) - y;
}

// ------------------------------------------------------------------ update

template <class T>
double penalty(const Plan &plan, const std::vector<T> &parameters) {
    double squares = 0;
    std::size_t from = 0;
    for (const Layer &layer : plan.layers) {
        for (std::size_t k = from; k < from + layer.n_in * layer.n_out; ++k)
            squares += double(parameters[k]) * parameters[k];
        from += layer.n_parameters();
    }
    return plan.l2 * squares / 2;
}

template <class T>
struct Rule {
    Optimizer optimizer;
    T rate, momentum, beta1, beta2, rest1, rest2, correction1, correction2, epsilon, weight_limit, l2;
    T batch;  // examples of the update, over which gradients are averaged

    Rule without_l2() const {
        Rule rule = *this;
        rule.l2 = 0;
        return rule;
    }
};

// Parameters w [n] with gradient sums g [n], which are averaged over the batch and set to zero.
template <class T>
void update(const Rule<T> &rule, T *__restrict w, T *__restrict g, T *__restrict first, T *__restrict second,
            std::size_t n) {
    if (rule.batch != 1)
        for (std::size_t k = 0; k < n; ++k) g[k] /= rule.batch;
    if (rule.l2 != 0)
        for (std::size_t k = 0; k < n; ++k) g[k] += rule.l2 * w[k];
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

}  // namespace tinyglass
