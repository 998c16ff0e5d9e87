// The obvious kernel: one example after another, every sum in the order of the definition.
//
// It is never chosen for its speed. The others are held to it, and in double it agrees with
// arithmetic.py to the bit wherever exp, tanh, log and pow are the C library's.

#pragma once

#include "kernel.hpp"

namespace tinyglass {

template <class T>
class Plain final : public Kernel<T> {
public:
    Plain(const Plan &plan, const Examples<T> &train) : Kernel<T>(plan, train) {
        std::size_t n_signals = 0, n_parameters = 0;
        for (const Layer &layer : plan.layers) {
            parameter_start_.push_back(n_parameters);
            signal_start_.push_back(n_signals);
            n_parameters += layer.n_parameters();
            n_signals += layer.n_out;
        }
        outputs_.resize(n_signals);
        deltas_.resize(n_signals);
        gradients_.resize(n_parameters);
    }

    const char *name() const override { return "plain"; }

    void restore(const State<T> &state) override {
        now_ = state;
        this->updates = state.updates;
        std::fill(gradients_.begin(), gradients_.end(), T(0));
        in_batch_ = 0;
        batch_loss_ = 0;
    }

    void save(State<T> &state) override {
        state.parameters = now_.parameters;
        state.first = now_.first;
        state.second = now_.second;
        state.updates = this->updates;
    }

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        const std::size_t end = std::min(n, wanted);
        for (std::size_t k = 0; k < end; ++k) {
            learn_from(order[k], tally);
            if (++in_batch_ == this->batch_size() || k + 1 == n) end_batch(tally);
        }
        return end;
    }

    void signals(std::size_t, T *outputs, T *deltas) const override {
        std::copy(outputs_.begin(), outputs_.end(), outputs);
        std::copy(deltas_.begin(), deltas_.end(), deltas);
    }

private:
    using Kernel<T>::plan_;
    std::vector<std::size_t> parameter_start_, signal_start_;
    State<T> now_;
    std::vector<T> outputs_, deltas_;  // of all layers; layer l begins at signal_start_[l]
    std::vector<T> gradients_;         // sums over the batch so far
    std::size_t in_batch_ = 0;
    double batch_loss_ = 0;

    void learn_from(std::size_t example, Tally<T> &tally) {
        const T *x = this->input(example), *y = this->expected(example);
        const T *before = x;
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            const Layer &layer = plan_.layers[l];
            T *sums = &outputs_[signal_start_[l]];
            weighted_sums(layer, &now_.parameters[parameter_start_[l]], before, sums);
            T probe = 0;
            for (std::size_t j = 0; j < layer.n_out; ++j) probe += sums[j] * 0;
            tally.not_finite += probe;
            activate(layer.activation, sums, layer.n_out);
            before = sums;
        }
        const Layer &last = plan_.layers.back();
        const T weight = this->weight(example);
        batch_loss_ += weight * loss_of(plan_.loss, last.activation, before, y, last.n_out);
        tally.correct += is_correct(before, y, last.n_out);
        backpropagate(before, y);
        if (weight != 1)
            for (T &delta : deltas_) delta *= weight;
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            add_gradients(plan_.layers[l], x, &deltas_[signal_start_[l]], &gradients_[parameter_start_[l]]);
            x = &outputs_[signal_start_[l]];
        }
    }

    void backpropagate(const T *o, const T *y) {
        const Layer &last = plan_.layers.back();
        T *delta = &deltas_[signal_start_.back()];
        for (std::size_t j = 0; j < last.n_out; ++j) delta[j] = o[j] - y[j];
        if (plan_.loss == Loss::mean_squared_error)
            for (std::size_t j = 0; j < last.n_out; ++j) delta[j] = 2 * delta[j] / T(last.n_out);
        // Under cross-entropy, output − expected is already the delta.
        if (plan_.loss != Loss::cross_entropy) through_activation(last.activation, o, delta, last.n_out);

        for (std::size_t l = plan_.layers.size() - 1; l > 0; --l) {
            const Layer &layer = plan_.layers[l];
            const T *w = &now_.parameters[parameter_start_[l]];
            const T *downstream = &deltas_[signal_start_[l]];
            T *errors = &deltas_[signal_start_[l - 1]];
            for (std::size_t i = 0; i < layer.n_in; ++i, w += layer.n_out) {
                T error = 0;
                for (std::size_t j = 0; j < layer.n_out; ++j) error += w[j] * downstream[j];
                errors[i] = error;
            }
            through_activation(plan_.layers[l - 1].activation, &outputs_[signal_start_[l - 1]], errors, layer.n_in);
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

    void end_batch(Tally<T> &tally) {
        tally.loss += batch_loss_;
        if (plan_.l2 != 0) tally.loss += penalty(plan_, now_.parameters) * static_cast<double>(in_batch_);
        const Rule<T> rule = this->pace.at(++this->updates, in_batch_), bias_rule = rule.without_l2();
        const auto apply = [&](const Rule<T> &r, std::size_t from, std::size_t n) {
            update(r, &now_.parameters[from], &gradients_[from], now_.first.empty() ? nullptr : &now_.first[from],
                   now_.second.empty() ? nullptr : &now_.second[from], n);
        };
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            const Layer &layer = plan_.layers[l];
            const std::size_t from = parameter_start_[l], n_weights = layer.n_in * layer.n_out;
            apply(rule, from, n_weights);
            if (layer.bias) apply(bias_rule, from + n_weights, layer.n_out);
        }
        in_batch_ = 0;
        batch_loss_ = 0;
    }
};

}  // namespace tinyglass
