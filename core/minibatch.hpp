// What the kernels for mini-batches share: chunks of a batch, loss and deltas of the outputs, the
// optimiser's memory.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernel.hpp"
#include "layers.hpp"
#include "products.hpp"

namespace tinyglass {

constexpr std::size_t largest_chunk = 256;  // examples that are learnt from at once

// N lanes for inputs and neurons, NE lanes for examples.
template <class T, int N, int NE>
class MiniBatch : public Kernel<T> {
public:
    MiniBatch(const Plan &plan, const Examples<T> &train)
        : Kernel<T>(plan, train), net_(plan.layers, std::min(this->batch_size(), largest_chunk)), way_(way_of(plan)) {
        output_deltas_ = Buffer<T>(plan.layers.back().n_out * rounded_up(net_.chunk, NE));
        const bool remembers = plan.optimizer != Optimizer::sgd, twice = plan.optimizer == Optimizer::adam;
        for (const auto &c : net_.connections)
            memory_.push_back({Buffer<T>(remembers * c.n_weights()), Buffer<T>(remembers * c.bias.size()),
                               Buffer<T>(twice * c.n_weights()), Buffer<T>(twice * c.bias.size()),
                               Buffer<T>(), Buffer<T>(c.bias.size())});
    }

    void restore(const State<T> &state) override {
        this->updates = state.updates;
        in_batch_ = 0;
        std::size_t from = 0;
        for (std::size_t l = 0; l < memory_.size(); ++l) {
            auto &c = net_.connections[l];
            Memory &m = memory_[l];
            Network::pack(c, &state.parameters[from], c.weights.data(), c.bias.data());
            if (m.first.size()) Network::pack(c, &state.first[from], m.first.data(), m.bias_first.data());
            if (m.second.size()) Network::pack(c, &state.second[from], m.second.data(), m.bias_second.data());
            from += c.layer.n_parameters();
        }
    }

    void save(State<T> &state) override {
        state.updates = this->updates;
        std::size_t from = 0;
        for (std::size_t l = 0; l < memory_.size(); ++l) {
            const auto &c = net_.connections[l];
            const Memory &m = memory_[l];
            Network::unpack(c, c.weights.data(), c.bias.data(), &state.parameters[from]);
            if (m.first.size()) Network::unpack(c, m.first.data(), m.bias_first.data(), &state.first[from]);
            if (m.second.size()) Network::unpack(c, m.second.data(), m.bias_second.data(), &state.second[from]);
            from += c.layer.n_parameters();
        }
    }

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        std::size_t taken = 0;
        while (taken < std::min(n, wanted)) {
            const std::size_t batch = std::min(this->batch_size(), n - taken + in_batch_);
            const std::size_t here = std::min(net_.chunk, batch - in_batch_);
            net_.set_examples(here);
            prepare(order + taken, this->train_.n - n + taken);
            in_batch_ += here;
            learn_chunk(in_batch_ == here, in_batch_ == batch, tally);
            if (in_batch_ == batch) in_batch_ = 0;
            taken += here;
        }
        return taken;
    }

protected:
    using V = Vec<T, N>;
    using VE = Vec<T, NE>;
    using Network = TileNetwork<T, N, NE>;
    using Kernel<T>::plan_;

    // Of the weights of one layer, laid out as they are.
    struct Memory {
        Buffer<T> first, bias_first, second, bias_second;  // the optimiser's
        Buffer<T> gradients, bias_gradients;               // sums over the batch so far
    };

    // A chunk of examples as the products read it.
    struct Chunk {
        Buffer<T> inputs, expected;  // columns
        Buffer<T> weights;           // lanes; 0 behind the last example
        Buffer<T> input_panels;      // only of a kernel that asks for them
    };

    Network net_;
    const Way way_;
    std::vector<Memory> memory_;
    Chunk *chunk_ = nullptr;   // the one at hand
    Buffer<T> output_deltas_;  // columns
    std::size_t in_batch_ = 0;
    bool with_panels_ = false;

    // Learns from the chunk at hand; in_batch_ counts its examples already.
    virtual void learn_chunk(bool first, bool last, Tally<T> &tally) = 0;

    void update_bias(std::size_t l, const Rule<T> &rule) {
        auto &c = net_.connections[l];
        Memory &m = memory_[l];
        if (c.layer.bias)
            update_weights<V>(way_, rule.without_l2(), c.bias.data(), m.bias_gradients.data(), m.bias_first.data(),
                              m.bias_second.data(), c.bias.size());
    }

    void add_penalty(V squares, Tally<T> &tally) const {
        if (plan_.l2 != 0) tally.loss += plan_.l2 / 2 * double(sum_of_lanes(squares)) * double(in_batch_);
    }

    // Loss, hits and deltas of the outputs.
    void compare_outputs(Tally<T> &tally) {
        const std::size_t n = net_.n_examples(), n_out = plan_.layers.back().n_out;
        VE loss{};
        for (const Block &block : net_.blocks)
            for (std::size_t lane = 0; lane < block.wide; lane += NE) {
                const std::size_t b = block.first + lane, from = Network::at(block, n_out) + lane;
                const T *o = net_.outputs() + from, *y = chunk_->expected.data() + from;
                const VE w = load<VE>(&chunk_->weights[b]);
                loss = multiply_add(w, compare_column(o, y, output_deltas_.data() + from, block.wide, w), loss);
                tally.correct += count_correct(o, y, block.wide, b < n ? std::min<std::size_t>(n - b, NE) : 0);
            }
        tally.loss += double(sum_of_lanes(loss)) * loss_factor<double>(plan_.loss, n_out);
    }

private:
    // Without shuffling every epoch has the same chunks; they are kept, unless they are many.
    static constexpr std::size_t most_kept = std::size_t(1) << 24;  // numbers
    std::vector<Chunk> kept_;
    Chunk scratch_;

    bool keeps_chunks() const {
        const std::size_t numbers = plan_.layers.front().n_in + plan_.layers.back().n_out;
        return !plan_.shuffle && this->train_.n <= most_kept / numbers;
    }

    // order: the examples of the chunk, of which the first is the start-th of the epoch
    void prepare(const std::uint32_t *order, std::size_t start) {
        if (!keeps_chunks()) {
            fill(scratch_, order);
            chunk_ = &scratch_;
        } else {
            const std::size_t of_batch = (this->batch_size() + net_.chunk - 1) / net_.chunk;
            const std::size_t k = start / this->batch_size() * of_batch + start % this->batch_size() / net_.chunk;
            if (kept_.size() <= k) kept_.resize(k + 1);
            chunk_ = &kept_[k];
            if (chunk_->weights.size() == 0) fill(*chunk_, order);
        }
        net_.set_inputs(chunk_->inputs.data());
    }

    void fill(Chunk &chunk, const std::uint32_t *order) {
        const std::size_t n = net_.n_examples(), lanes = rounded_up(n, NE);
        const std::size_t n_in = plan_.layers.front().n_in, n_out = plan_.layers.back().n_out;
        if (chunk.weights.size() < lanes) {
            chunk.weights = Buffer<T>(lanes);
            chunk.inputs = Buffer<T>(n_in * lanes);
            chunk.expected = Buffer<T>(n_out * lanes);
            if (with_panels_) chunk.input_panels = Buffer<T>(rounded_up(n_in, N) * net_.chunk);
        }
        const T *weight = this->train_.weight;
        for (std::size_t b = 0; b < lanes; ++b) chunk.weights[b] = b >= n ? T(0) : weight ? weight[order[b]] : T(1);
        const auto input = [&](std::size_t b) { return this->input(order[b]); };
        net_.to_columns(n_out, [&](std::size_t b) { return this->expected(order[b]); }, chunk.expected.data());
        if (with_panels_) {
            copy_to_panels(chunk.input_panels.data(), input);
            net_.panels_to_columns(chunk.input_panels.data(), chunk.inputs.data());
        } else {
            net_.to_columns(n_in, input, chunk.inputs.data());
        }
    }

    template <class Row>
    void copy_to_panels(T *to, Row row) {
        const Panels<N> &panels = net_.connections.front().inputs;
        net_.team.share(panels.count(), 8 * panels.n * net_.n_examples(), [&](std::size_t from, std::size_t end) {
            for (std::size_t b = 0; b < net_.n_examples(); ++b)
                for (std::size_t p = from; p < end; ++p)
                    std::copy_n(row(b) + panels.first(p), panels.inside(p),
                                to + panels.at(p, net_.chunk) + b * panels.wide(p));
        });
    }

    // One vector of examples; returns their losses.
    VE compare_column(const T *o, const T *y, T *delta, std::size_t row, VE weight) const {
        const Layer &last = plan_.layers.back();
        const bool shared = last.activation == Activation::softmax && plan_.loss != Loss::cross_entropy;
        VE loss{}, products{};
        for (std::size_t j = 0; j < last.n_out; ++j) {
            const VE out = load<VE>(o + j * row), wanted = load<VE>(y + j * row);
            loss += loss_of_lanes(plan_.loss, last.activation, out, wanted);
            const VE error = output_error(plan_.loss, out, wanted, last.n_out);
            if (shared) products = multiply_add(error, out, products);
            store(delta + j * row, error);
        }
        for (std::size_t j = 0; j < last.n_out; ++j) {
            const VE out = load<VE>(o + j * row);
            VE d = load<VE>(delta + j * row);
            if (shared) d = out * (d - products);
            if (plan_.loss != Loss::cross_entropy) with_activation(last.activation, [&](auto f) { d = f.delta(d, out); });
            store(delta + j * row, d * weight);
        }
        // A lane without an example may hold anything.
        return weight > 0 ? loss : VE{};
    }

    // Of one vector of examples, the first n of which are real.
    std::size_t count_correct(const T *o, const T *y, std::size_t row, std::size_t n) const {
        const std::size_t n_out = plan_.layers.back().n_out;
        IntegersOf<VE> right;
        if (n_out == 1) {
            right = (load<VE>(o) >= T(0.5)) == (load<VE>(y) >= T(0.5));
        } else {
            VE top = load<VE>(o), most = load<VE>(y);
            IntegersOf<VE> found{}, wanted{};
            for (std::size_t j = 1; j < n_out; ++j) {
                const VE out = load<VE>(o + j * row), own = load<VE>(y + j * row);
                const IntegersOf<VE> number = IntegersOf<VE>{} + static_cast<ElementOf<IntegersOf<VE>>>(j);
                found = out > top ? number : found;
                top = out > top ? out : top;
                wanted = own > most ? number : wanted;
                most = own > most ? own : most;
            }
            right = found == wanted;
        }
        std::size_t count = 0;
        for (std::size_t k = 0; k < n; ++k) count += right[k] != 0;
        return count;
    }
};

}  // namespace tinyglass
