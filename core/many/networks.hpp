// Many networks of one shape at once: every lane of a vector is a network of its own.
//
// Nothing is ever added across lanes, so a network gets the same bits whoever its neighbours are, and
// however many. They go through an epoch together, an example of each at a time; one that has no example
// left waits: its deltas are 0, and its parameters stay.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "judging.hpp"
#include "../kernel.hpp"
#include "showing.hpp"
#include "together.hpp"

namespace tinyglass {

// The rule of an update, each lane at its own pace; sums are divided by the batch before.
template <class V>
struct RuleOfLanes {
    using T = ElementOf<V>;
    Optimizer optimizer;
    T momentum, beta1, beta2, rest1, rest2, epsilon, weight_limit, l2;
    V rate, correction1, correction2;
    T batch = 1;
};

template <class T, int N, int G>
class ManyNetworks final : public Networks<T> {
    using R = Rows<T, N, G>;
    using V = typename R::V;
    using Mask = typename R::Mask;
    using Row = typename R::Row;
    static constexpr int L = R::L;

public:
    using Networks<T>::lanes;

    [[gnu::cold]] explicit ManyNetworks(const Plan &plan)
        : plan_(plan),
          n_in_(plan.layers.front().n_in),
          n_out_(plan.layers.back().n_out),
          defers_(plan.batch == 1 && way_of(plan) == Way::plain),
          showings_{Showing<R>(Table<T>::width_of(plan)), Showing<R>(Table<T>::width_of(plan))} {
        std::size_t n_parameters = 0, n_signals = 0;
        for (const Layer &layer : plan.layers) {
            places_.push_back({layer, n_parameters * L, n_signals * L});
            n_parameters += layer.n_parameters();
            n_signals += layer.n_out;
        }
        parameters_ = Buffer<T>(n_parameters * L);
        first_ = Buffer<T>(plan.optimizer == Optimizer::sgd ? 0 : n_parameters * L);
        second_ = Buffer<T>(plan.optimizer == Optimizer::adam ? n_parameters * L : 0);
        if (defers_)
            deferred_ = Buffer<T>(plan.layers.front().n_out * L);
        else
            gradients_ = Buffer<T>(n_parameters * L);
        outputs_ = Buffer<T>(n_signals * L);
        deltas_ = Buffer<T>(n_signals * L);
        lanes.resize(L);
    }

    void put(std::size_t lane, const State<T> &state) override {
        set(lane, parameters_, state.parameters);
        set(lane, first_, state.first);
        set(lane, second_, state.second);
        set(lane, gradients_, {});
    }

    void take(std::size_t lane, State<T> &state) const override {
        get(lane, parameters_, state.parameters);
        get(lane, first_, state.first);
        get(lane, second_, state.second);
    }

    void learn(std::size_t position, std::size_t end) override {
        const std::size_t batch = plan_.batch > 0 ? static_cast<std::size_t>(plan_.batch) : longest_;
        if (defers_) set_pace(position, batch);
        for (; position < end; ++position) {
            show(position);
            if (defers_) {
                learn_at_once();
            } else {
                add_gradients();
                const std::size_t batch_start = position - position % batch;
                if (position + 1 == std::min(batch_start + batch, longest_)) {
                    set_pace(batch_start, batch);
                    update();
                }
            }
            count(position + 1);
        }
        if (defers_) make_good();
        show_probes();
        if (position == longest_)
            for (auto &lane : lanes) lane.tally.loss += std::exchange(lane.penalty, 0);
    }

    void look(std::size_t position, std::size_t end) override {
        for (; position < end; ++position) {
            show(position);
            feedforward<false>();
            judge();
            count(position + 1);
        }
    }

    void signals(std::size_t lane, T *outputs, T *deltas) const override {
        for (std::size_t at = lane; at < outputs_.size(); at += L) {
            *outputs++ = outputs_[at];
            *deltas++ = deltas_[at];
        }
    }

private:
    struct Place {
        const Layer layer;
        std::size_t parameters, signals;  // where they begin
    };
    // So many losses are added up in T, then these sums in double.
    static constexpr std::size_t counted_together = 64;
    // Weighted sums and sums of squares are made of partial sums, of so many terms each: the more one after
    // another, the more is lost to rounding.
    static constexpr std::size_t added_together = 64;
    using Networks<T>::longest_;
    using Networks<T>::shortest_;
    const Plan &plan_;
    const std::size_t n_in_, n_out_;
    // Whether the first layer's update waits until its weights are read for the next example.
    const bool defers_;
    std::vector<Place> places_;
    Buffer<T> parameters_, first_, second_, gradients_;  // [n_parameters][L]; gradients: sums over the batch
    Buffer<T> outputs_, deltas_;                         // [n_signals][L], of all layers
    Buffer<T> deferred_;                                 // rate · delta [n_out][L] of the first layer
    Showing<R> showings_[2], *showing_ = nullptr;        // of training and validation; of the part that was begun
    bool some_wait_ = false;
    Mask here_[G];                      // which networks have the example
    Row loss_{}, correct_{}, weight_{};  // since they were last counted
    Row probe_{};
    Mask learns_[G];  // which networks have the update
    Row rate_, batch_, correction1_, correction2_;

    static void set(std::size_t lane, Buffer<T> &rows, const std::vector<T> &values) {
        for (std::size_t k = 0; k * L < rows.size(); ++k) rows[k * L + lane] = values.empty() ? T(0) : values[k];
    }
    static void get(std::size_t lane, const Buffer<T> &rows, std::vector<T> &values) {
        values.resize(rows.size() / L);
        for (std::size_t k = 0; k < values.size(); ++k) values[k] = rows[k * L + lane];
    }

    // -------------------------------------------------------------- counting

    void start(int part, bool again) override {
        loss_ = correct_ = weight_ = probe_ = Row{};
        showing_ = &showings_[part];
        showing_->begin(part == 1 || !plan_.shuffle, again, longest_);
    }

    // At positions that depend on nothing but their number, so that pauses and neighbours change no bit.
    void count(std::size_t position) {
        if (position % counted_together != 0 && position < longest_) return;
        for (int g = 0; g < G; ++g) {
            for (int k = 0; k < N; ++k) {
                auto &lane = lanes[g * N + k];
                lane.tally.loss += loss_[g][k];
                lane.tally.correct += static_cast<std::size_t>(correct_[g][k]);
                lane.weight += weight_[g][k];
            }
            probe_[g] += loss_[g] * 0;
        }
        loss_ = correct_ = weight_ = Row{};
    }

    // What is not finite is told at every pause, counted or not.
    void show_probes() {
        for (int g = 0; g < G; ++g) {
            const V probe = probe_[g] + loss_[g] * 0;
            for (int k = 0; k < N; ++k) lanes[g * N + k].tally.not_finite += probe[k] + T(lanes[g * N + k].penalty) * 0;
        }
    }

    // -------------------------------------------------------------- what is shown

    void show(std::size_t position) {
        some_wait_ = position >= shortest_;
        for (int k = 0; some_wait_ && k < L; ++k) here_[k / N][k % N] = -(position < lanes[k].shown.n);
        showing_->show(lanes, position);
    }

    // 0 in the place of those who wait.
    TINYGLASS_INLINE V of_present(int g, V v) const { return some_wait_ ? (here_[g] ? v : V{}) : v; }

    const T *inputs_of(std::size_t l) const { return l == 0 ? showing_->now() : &outputs_[places_[l - 1].signals]; }
    const T *expected() const { return showing_->now() + n_in_ * L; }
    Row weight() const { return R::load_row(expected() + n_out_ * L); }

    // -------------------------------------------------------------- feedforward

    // Outputs of all layers; of the last its sums, which `judge` makes outputs.
    template <bool makes_good>
    void feedforward() {
        Row probe{};
        for (std::size_t l = 0; l < places_.size(); ++l) {
            const Place &place = places_[l];
            T *a = &outputs_[place.signals];
            in_blocks<R::most>(place.layer.n_out, [&](auto J, std::size_t j) TINYGLASS_INLINED {
                if (makes_good && l == 0)
                    weighted_sums<J, true>(place, j, inputs_of(l), a, probe);
                else
                    weighted_sums<J, false>(place, j, inputs_of(l), a, probe);
            });
            if (l + 1 < places_.size()) R::activate(place.layer, a);
        }
        for (int g = 0; g < G; ++g) probe_[g] += of_present(g, probe[g]);
    }

    // makes_good: once the weights are what they should have become before.
    template <int J, bool makes_good>
    TINYGLASS_INLINE void weighted_sums(const Place &place, std::size_t j, const T *x, T *sums, Row &probe) {
        const std::size_t stride = place.layer.n_out * L;
        const T *before = makes_good ? showing_->before() : nullptr, *end = x + place.layer.n_in * L;
        T *w = &parameters_[place.parameters + j * L];
        Row whole[J] = {}, step[J];
        for (int k = 0; makes_good && k < J; ++k) step[k] = R::load_row(&deferred_[(j + k) * L]);
        while (x < end) {
            const T *part_end = std::min(x + added_together * L, end);
            Row s[J] = {};
            for (; x < part_end; x += L, before += makes_good ? L : 0, w += stride) {
                const Row xi = R::load_row(x), past = makes_good ? R::load_row(before) : Row{};
                for (int k = 0; k < J; ++k)
                    for (int g = 0; g < G; ++g) {
                        V now = load<V>(w + k * L + g * N);
                        if (makes_good) {
                            now = subtract_product(past[g], step[k][g], now);
                            store(w + k * L + g * N, now);
                        }
                        s[k][g] = multiply_add(now, xi[g], s[k][g]);
                    }
            }
            for (int k = 0; k < J; ++k)
                for (int g = 0; g < G; ++g) whole[k][g] += s[k][g];
        }
        for (int k = 0; k < J; ++k)
            for (int g = 0; g < G; ++g) {
                V &sum = whole[k][g];
                if (place.layer.bias) {
                    V now = load<V>(w + k * L + g * N);
                    if (makes_good) store(w + k * L + g * N, now = now - step[k][g]);
                    sum += now;
                }
                probe[g] = multiply_add(T(0), sum, probe[g]);
                store(sums + (j + k) * L + g * N, sum);
            }
    }

    // The update that was put off.
    void make_good() {
        const Layer &layer = places_.front().layer;
        T *w = parameters_.data();
        for (std::size_t i = 0; i < layer.n_in + layer.bias; ++i)
            for (std::size_t k = 0; k < layer.n_out * L; k += N, w += N) {
                const V x = i < layer.n_in ? load<V>(showing_->now() + i * L + k % L) : V{} + 1;
                store(w, subtract_product(x, load<V>(&deferred_[k]), load<V>(w)));
            }
        deferred_.clear();
    }

    // Outputs of the last layer, losses and right answers.
    void judge() {
        const Place &last = places_.back();
        T *o = &outputs_[last.signals];
        Row loss;
        if (last.layer.activation == Activation::softmax) {
            loss = Judge<R>::softmax_and_loss(plan_, o, expected(), &deltas_[last.signals]);
        } else {
            R::activate(last.layer, o);
            loss = Judge<R>::loss_of(plan_, o, expected());
        }
        const Row correct = Judge<R>::is_correct(n_out_, o, expected()), weighs = weight();
        for (int g = 0; g < G; ++g) {
            loss_[g] += of_present(g, weighs[g] * loss[g]);
            weight_[g] += of_present(g, weighs[g]);
            correct_[g] += of_present(g, correct[g]);
        }
    }

    // -------------------------------------------------------------- backpropagation

    // Deltas of the last layer, times the weight of the example; 0 for those who wait.
    void set_deltas() {
        const Place &last = places_.back();
        const T *o = &outputs_[last.signals], *y = expected();
        T *delta = &deltas_[last.signals];
        const Row weighs = weight();
        for (std::size_t k = 0; k < n_out_ * L; k += L)
            for (int g = 0; g < G; ++g) {
                const std::size_t at = k + g * N;
                const V error = output_error(plan_.loss, load<V>(o + at), load<V>(y + at), n_out_);
                store(delta + at, of_present(g, error * weighs[g]));
            }
        if (plan_.loss == Loss::cross_entropy) return;  // the slope has cancelled
        R::pass_through(last.layer, o, delta);
        if (last.layer.activation == Activation::softmax) Judge<R>::pass_through_softmax(n_out_, o, delta);
    }

    // Plain SGD, an update after every example: that of the first layer is put off.
    void learn_at_once() {
        feedforward<true>();
        judge();
        set_deltas();
        for (std::size_t l = places_.size() - 1; l > 0; --l)
            backpropagate(l, [&](const Place &place, std::size_t j, auto J, T *errors) TINYGLASS_INLINED {
                step_back<J, true>(place, j, inputs_of(l), &parameters_[place.parameters + j * L], errors);
            });
        for (std::size_t k = 0; k < deferred_.size(); k += N)
            store(&deferred_[k], load<V>(&deltas_[k]) * rate_[k % L / N]);
    }

    void add_gradients() {
        feedforward<false>();
        judge();
        set_deltas();
        for (std::size_t l = places_.size(); l-- > 0;)
            backpropagate(l, [&](const Place &place, std::size_t j, auto J, T *errors) TINYGLASS_INLINED {
                step_back<J, false>(place, j, inputs_of(l), &gradients_[place.parameters + j * L], errors);
            });
    }

    // step(place, j, J, errors) for the neurons of layer l; then deltas of the layer before, of their errors.
    template <class Step>
    TINYGLASS_INLINE void backpropagate(std::size_t l, Step step) {
        T *errors = l > 0 ? &deltas_[places_[l - 1].signals] : nullptr;
        in_blocks<R::most>(places_[l].layer.n_out, [&](auto J, std::size_t j) TINYGLASS_INLINED { step(places_[l], j, J, errors); });
        if (l > 0) R::pass_through(places_[l - 1].layer, &outputs_[places_[l - 1].signals], errors);
    }

    // Through J neurons: errors of their inputs, and what their weights have to be changed by, which is
    // added to the gradients `to`, or (updates) subtracted from the weights themselves.
    template <int J, bool updates>
    TINYGLASS_INLINE void step_back(const Place &place, std::size_t j, const T *x, T *to, T *errors) {
        const std::size_t stride = place.layer.n_out * L;
        const T *w = &parameters_[place.parameters + j * L], *end = x + place.layer.n_in * L;
        Row d[J];
        for (int k = 0; k < J; ++k) d[k] = R::load_row(&deltas_[place.signals + (j + k) * L]);
        for (; x < end; x += L, w += stride, to += stride, errors += errors ? L : 0)
            for (int g = 0; g < G; ++g) {
                V xi = load<V>(x + g * N);
                if (updates) xi *= -rate_[g];
                V error{};
                for (int k = 0; k < J; ++k) {
                    if (errors) error = multiply_add(load<V>(w + k * L + g * N), d[k][g], error);
                    T *at = to + k * L + g * N;
                    store(at, multiply_add(d[k][g], xi, load<V>(at)));
                }
                if (errors) store(errors + g * N, j > 0 ? load<V>(errors + g * N) + error : error);
            }
        if (!place.layer.bias) return;
        for (int k = 0; k < J; ++k)
            for (int g = 0; g < G; ++g) {
                T *at = to + k * L + g * N;
                store(at, updates ? subtract_product(rate_[g], d[k][g], load<V>(at)) : load<V>(at) + d[k][g]);
            }
    }

    // -------------------------------------------------------------- update

    // The pace of the update that sees the examples from `first` on, `batch` of them at most.
    void set_pace(std::size_t first, std::size_t batch) {
        for (int k = 0; k < L; ++k) {
            auto &lane = lanes[k];
            const std::size_t n = first < lane.shown.n ? std::min(batch, lane.shown.n - first) : 0;
            const std::int64_t update = lane.updates + static_cast<std::int64_t>(first / batch) + 1;
            const bool learns = lane.pace && n > 0;
            const Rule<T> rule = learns ? lane.pace->at(update, n) : Rule<T>{};
            const int g = k / N;
            learns_[g][k % N] = -learns;
            rate_[g][k % N] = rule.rate;
            batch_[g][k % N] = learns ? rule.batch : T(1);
            correction1_[g][k % N] = learns ? rule.correction1 : T(1);
            correction2_[g][k % N] = learns ? rule.correction2 : T(1);
        }
    }

    // Of all parameters, from the gradients of the batch.
    void update() {
        for (int g = 0; g < G; ++g) {
            RuleOfLanes<V> rule{plan_.optimizer,      T(plan_.momentum),     T(plan_.beta1),
                                T(plan_.beta2),       T(1 - plan_.beta1),    T(1 - plan_.beta2),
                                T(plan_.epsilon),     T(plan_.weight_limit), T(plan_.l2),
                                rate_[g],             correction1_[g],       correction2_[g]};
            V squares{}, of_biases{};
            for (const Place &place : places_) {
                const std::size_t n_weights = place.layer.n_in * place.layer.n_out * L;
                rule.l2 = T(plan_.l2);
                update(rule, g, place.parameters, n_weights, squares);
                rule.l2 = 0;
                if (place.layer.bias)
                    update(rule, g, place.parameters + n_weights, place.layer.n_out * L, of_biases);
            }
            for (int k = 0; plan_.l2 != 0 && k < N; ++k)
                if (learns_[g][k]) lanes[g * N + k].penalty += plan_.l2 / 2 * squares[k] * batch_[g][k];
        }
    }

    TINYGLASS_INLINE void update(const RuleOfLanes<V> &rule, int g, std::size_t from, std::size_t n, V &squares) {
        const bool divides = plan_.batch != 1, waits = shortest_ != longest_;
        T unused[N] = {};
        V part{};
        for (std::size_t at = from + g * N, k = 0; at < from + n; at += L, ++k) {
            if (k % added_together == 0) squares += std::exchange(part, V{});
            T *first = first_.size() > 0 ? &first_[at] : unused, *second = second_.size() > 0 ? &second_[at] : unused;
            const V w = load<V>(&parameters_[at]), g1 = load<V>(first), g2 = load<V>(second);
            V sum = load<V>(&gradients_[at]);
            if (divides) sum /= batch_[g];
            const V after = updated<Way::general>(rule, w, sum, first, second, part);
            store(&parameters_[at], waits ? learns_[g] ? after : w : after);
            if (waits) store(first, learns_[g] ? load<V>(first) : g1);
            if (waits) store(second, learns_[g] ? load<V>(second) : g2);
            store(&gradients_[at], V{});
        }
        squares += part;
    }
};

template <class T>
std::size_t bytes_of(const Plan &plan) {
    return count_parameters(plan.layers) * sizeof(T);
}

// Whether networks of this shape are faster together, as measured: larger ones leave no cache to their
// neighbours, and the larger a batch, the better are the kernels for one network.
template <class T>
bool suits_lanes(const Plan &plan) {
    const auto batch = static_cast<std::size_t>(plan.batch > 0 ? std::min<std::int64_t>(plan.batch, 16) : 16);
    return bytes_of<T>(plan) * batch <= 16 * 1024;
}

// So many networks: in as many lanes as let all their parameters stay in the first cache, of which this is
// half.
template <class T>
std::unique_ptr<Networks<T>> make_networks(const Plan &plan, std::size_t n_networks) {
    constexpr int wide = widest<T>, narrow = widest<T> > narrowest<T> ? wide / 2 : wide;
    constexpr std::size_t most_bytes = 16 * 1024;
    if constexpr (sizeof(T) == 4)
        if (n_networks > narrow && bytes_of<T>(plan) * 2 * wide <= most_bytes)
            return std::make_unique<ManyNetworks<T, wide, 2>>(plan);
    return std::make_unique<ManyNetworks<T, narrow, 1>>(plan);
}

}  // namespace tinyglass
