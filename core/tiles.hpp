// Networks as products of matrices, tile by tile: the feedforward of many examples, and the kernel
// that trains mini-batches of all but the smallest networks.
//
// Letters: b an example of the chunk, i an input of a layer, o a neuron, l a layer; V a vector of N
// numbers. A tile is R rows of E vectors, whose sums stay in registers while k runs over what is
// summed: sum[r][e] += a[r][k] · b[k][e], a being broadcast.
//
// Two layouts hold the same numbers, so that every product reads its b in order:
//   columns  [block of examples][i][lanes: examples]     for the feedforward
//   panels   [panel of inputs][b][lanes: inputs]         for errors and gradients
// A block is up to E_max vectors of examples, a panel E_max vectors of inputs (the last may have
// fewer). Weights lie in panels too: [panel of inputs][o][lanes: inputs]. All three products read
// them in that one layout; a panel's block of neurons serves errors and gradients while it is in cache.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernel.hpp"
#include "layers.hpp"
#include "team.hpp"

namespace tinyglass {

constexpr int E_max = 3;  // vectors of a panel and of a block
// Rows of a tile: as many as leave registers for the b of one step.
template <int E>
constexpr int R_max = n_registers == 32 ? (E == 1 ? 16 : E == 2 ? 12 : 8) : (E == 1 ? 8 : E == 2 ? 6 : 4);

constexpr std::size_t largest_chunk = 256;  // examples that are learnt from at once

// ------------------------------------------------------------------ one tile

template <int R, int E, class V>
struct Tile {
    using T = ElementOf<V>;
    static constexpr std::size_t N = lanes_of<V>;
    V sum[R][E];

    TINYGLASS_INLINE void clear() {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) sum[r][e] = V{};
    }

    // a(r, k) = a[r * a_row + k * a_step], b(k) = E vectors from b[k * b_step]
    TINYGLASS_INLINE void add_products(std::size_t n, const T *a, std::size_t a_row, std::size_t a_step, const T *b,
                                       std::size_t b_step) {
        for (std::size_t k = 0; k < n; ++k, a += a_step, b += b_step) {
            V step[E];
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) step[e] = load<V>(b + e * N);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const V factor = broadcast<V>(a[r * a_row]);
#pragma GCC unroll 4
                for (int e = 0; e < E; ++e) sum[r][e] = multiply_add(factor, step[e], sum[r][e]);
            }
        }
    }

    // Row r begins at p + r * row.
    TINYGLASS_INLINE void load_from(const T *p, std::size_t row) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) sum[r][e] = load<V>(p + r * row + e * N);
    }
    TINYGLASS_INLINE void store_to(T *p, std::size_t row) const {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) store(p + r * row + e * N, sum[r][e]);
    }
};

template <int n>
using Constant = std::integral_constant<int, n>;

// Calls use(Constant<n>{}) for an n known only now, 1 .. most.
template <int most, class Use>
TINYGLASS_INLINE void with_constant(int n, Use use) {
    if constexpr (most > 1)
        if (n < most) return with_constant<most - 1>(n, use);
    use(Constant<most>{});
}

// Cuts rows from .. to into tiles of nearly the same height; calls use(Constant<rows>, first row).
template <int most, class Use>
TINYGLASS_INLINE void for_tiles(std::size_t from, std::size_t to, Use use) {
    std::size_t tiles = (to - from + most - 1) / most;
    for (; from < to; --tiles) {
        const auto rows = static_cast<int>((to - from + tiles - 1) / tiles);
        with_constant<most>(rows, [&](auto R) { use(R, from); });
        from += rows;
    }
}

// ------------------------------------------------------------------ layouts

// n numbers of a row in panels of E_max vectors: where panel p of `rows` rows begins, how wide it is.
template <int N>
struct Panels {
    static constexpr std::size_t width = E_max * N;
    std::size_t n = 0;

    std::size_t count() const { return (n + width - 1) / width; }
    std::size_t padded() const { return rounded_up(n, N); }
    std::size_t first(std::size_t p) const { return p * width; }
    std::size_t inside(std::size_t p) const { return std::min(width, n - p * width); }           // numbers
    std::size_t wide(std::size_t p) const { return std::min(width, padded() - p * width); }      // with lanes behind
    std::size_t at(std::size_t p, std::size_t rows) const { return p * width * rows; }
};

// Examples in blocks of at most E_max vectors, nearly equal.
struct Block {
    std::size_t first, wide;  // of the examples, in lanes
    int vectors;
};

inline std::vector<Block> blocks_of(std::size_t n_examples, std::size_t N) {
    std::vector<Block> blocks;
    std::size_t vectors = (n_examples + N - 1) / N, from = 0;
    for (std::size_t count = (vectors + E_max - 1) / E_max; count > 0; --count) {
        const std::size_t here = (vectors + count - 1) / count;
        blocks.push_back({from * N, here * N, static_cast<int>(here)});
        from += here;
        vectors -= here;
    }
    return blocks;
}

// ------------------------------------------------------------------ feedforward

// N lanes for inputs and neurons, NE lanes for examples.
template <class T, int N, int NE>
class TileNetwork {
public:
    using V = Vec<T, N>;
    using VE = Vec<T, NE>;

    struct Connections {
        Layer layer;
        Panels<N> inputs;  // in panels
        Buffer<T> weights, bias;
        std::size_t n_weights() const { return inputs.padded() * layer.n_out; }
    };

    TileNetwork(const std::vector<Layer> &layers, std::size_t chunk) : chunk(chunk) {
        for (const Layer &layer : layers) {
            const Panels<N> inputs{layer.n_in};
            connections.push_back({layer, inputs, Buffer<T>(inputs.padded() * layer.n_out),
                                   Buffer<T>(rounded_up(layer.n_out, N))});
            columns.emplace_back(layer.n_in * rounded_up(chunk, NE));
        }
        columns.emplace_back(layers.back().n_out * rounded_up(chunk, NE));
    }

    const std::size_t chunk;  // examples at most
    std::vector<Connections> connections;
    std::vector<Buffer<T>> columns;  // inputs of layer l, and last the outputs of the network
    std::vector<Block> blocks;       // of the examples that are in columns

    // From the layout of arithmetic.hpp, [i][o], and back; `weights` may be the optimiser's memory.
    static void pack(const Connections &c, const T *from, T *weights, T *bias) {
        for_each_weight(c, [&](std::size_t packed, std::size_t plain) { weights[packed] = from[plain]; });
        if (c.layer.bias) std::copy_n(from + c.layer.n_in * c.layer.n_out, c.layer.n_out, bias);
    }
    static void unpack(const Connections &c, const T *weights, const T *bias, T *to) {
        for_each_weight(c, [&](std::size_t packed, std::size_t plain) { to[plain] = weights[packed]; });
        if (c.layer.bias) std::copy_n(bias, c.layer.n_out, to + c.layer.n_in * c.layer.n_out);
    }

    void set_parameters(const T *parameters) {
        for (Connections &c : connections) {
            pack(c, parameters, c.weights.data(), c.bias.data());
            parameters += c.layer.n_parameters();
        }
    }

    // Where the columns of one block begin, each of n rows.
    static std::size_t at(const Block &block, std::size_t n) { return block.first * n; }

    void set_examples(std::size_t n) {
        if (n == n_examples_) return;
        n_examples_ = n;
        blocks = blocks_of(n, NE);
    }

    // row(b): the inputs of example b, read to the last and no further.
    template <class Row>
    void load_inputs(Row row) {
        const std::size_t n_in = connections.front().layer.n_in;
        for (const Block &block : blocks) transpose_into(block, n_in, row, columns.front().data() + at(block, n_in));
    }

    // Columns of one block from rows of examples; examples behind the last are 0.
    template <class Row>
    void transpose_into(const Block &block, std::size_t n, Row row, T *to) {
        const std::size_t here = std::min(n_examples_ - block.first, block.wide);
        transpose_rows<VE>(here, n, [&](std::size_t b) { return row(block.first + b); }, to, block.wide);
    }

    // Weighted sums and outputs of the neurons from .. to of layer l, of all examples.
    void feed(std::size_t l, std::size_t from, std::size_t to, T &not_finite) {
        const Connections &c = connections[l];
        VE probe{};
        for (const Block &block : blocks) {
            const T *x = columns[l].data() + at(block, c.layer.n_in);
            T *out = columns[l + 1].data() + at(block, c.layer.n_out);
            with_constant<E_max>(block.vectors, [&](auto E) {
                for_tiles<R_max<E()>>(from, to, [&](auto R, std::size_t o) { feed_tile<R(), E()>(c, x, o, out, probe); });
            });
            activate_rows(c.layer.activation, out + from * block.wide, (to - from) * block.wide);
        }
        not_finite += sum_of_lanes(probe);
    }

    // Softmax needs all neurons of an example: outputs of the last layer, from its sums.
    void finish_outputs() {
        const Layer &last = connections.back().layer;
        if (last.activation != Activation::softmax) return;
        for (const Block &block : blocks) {
            T *a = columns.back().data() + at(block, last.n_out);
            for (std::size_t lane = 0; lane < block.wide; lane += NE) softmax_column(a + lane, block.wide, last.n_out);
        }
    }

    std::size_t n_examples() const { return n_examples_; }

private:
    std::size_t n_examples_ = 0;

    template <class Use>
    static void for_each_weight(const Connections &c, Use use) {
        const std::size_t n_out = c.layer.n_out;
        for (std::size_t p = 0; p < c.inputs.count(); ++p)
            for (std::size_t o = 0; o < n_out; ++o)
                for (std::size_t i = 0; i < c.inputs.inside(p); ++i)
                    use(c.inputs.at(p, n_out) + o * c.inputs.wide(p) + i, (c.inputs.first(p) + i) * n_out + o);
    }

    template <int R, int E>
    [[gnu::noinline]] static void feed_tile(const Connections &c, const T *x, std::size_t o, T *out, VE &probe) {
        constexpr std::size_t wide = E * NE;
        Tile<R, E, VE> tile;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) tile.sum[r][e] = broadcast<VE>(c.bias[o + r]);
        for (std::size_t p = 0; p < c.inputs.count(); ++p) {
            const std::size_t row = c.inputs.wide(p);
            tile.add_products(c.inputs.inside(p), c.weights.data() + c.inputs.at(p, c.layer.n_out) + o * row, row, 1,
                              x + c.inputs.first(p) * wide, wide);
        }
        tile.store_to(out + o * wide, wide);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) probe += tile.sum[r][e] * 0;
    }

    static void activate_rows(Activation activation, T *a, std::size_t n) {
        if (activation == Activation::linear) return;
        with_activation(activation, [&](auto f) {
            for (std::size_t k = 0; k < n; k += NE) store(a + k, f.output(load<VE>(a + k)));
        });
    }

    // a: n rows, one vector of each
    static void softmax_column(T *a, std::size_t row, std::size_t n) {
        VE largest = load<VE>(a), whole{};
        for (std::size_t j = 1; j < n; ++j) largest = larger(largest, load<VE>(a + j * row));
        for (std::size_t j = 0; j < n; ++j) {
            const VE power = exponential(load<VE>(a + j * row) - largest);
            store(a + j * row, power);
            whole += power;
        }
        for (std::size_t j = 0; j < n; ++j) store(a + j * row, load<VE>(a + j * row) / whole);
    }
};

// ------------------------------------------------------------------ training

// What mini-batch kernels share: chunks of a batch, loss and deltas of the outputs.
template <class T, int N, int NE>
class MiniBatch : public Kernel<T> {
public:
    MiniBatch(const Plan &plan, const Examples<T> &train)
        : Kernel<T>(plan, train), net_(plan.layers, std::min(this->batch_size(), largest_chunk)) {
        const Layer &last = plan.layers.back();
        expected_ = Buffer<T>(last.n_out * rounded_up(net_.chunk, NE));
        output_deltas_ = Buffer<T>(expected_.size());
        example_weights_ = Buffer<T>(rounded_up(net_.chunk, NE));
    }

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        std::size_t taken = 0;
        while (taken < std::min(n, wanted)) {
            const std::size_t batch = std::min(this->batch_size(), n - taken + in_batch_);
            const std::size_t here = std::min(net_.chunk, batch - in_batch_);
            net_.set_examples(here);
            in_batch_ += here;
            learn_chunk(order + taken, in_batch_ == here, in_batch_ == batch, tally);
            if (in_batch_ == batch) in_batch_ = 0;
            taken += here;
        }
        return taken;
    }

protected:
    using VE = Vec<T, NE>;
    using Network = TileNetwork<T, N, NE>;
    using Kernel<T>::plan_;
    Network net_;
    Buffer<T> expected_, output_deltas_;  // columns of the last layer
    Buffer<T> example_weights_;           // lanes; 0 behind the last example
    std::size_t in_batch_ = 0;

    // The examples order[0 .. net_.n_examples()); in_batch_ counts them already.
    virtual void learn_chunk(const std::uint32_t *order, bool first, bool last, Tally<T> &tally) = 0;

    // Loss, hits and deltas of the outputs.
    void compare_outputs(const std::uint32_t *order, Tally<T> &tally) {
        const Layer &last = plan_.layers.back();
        const std::size_t n = net_.n_examples();
        const T *weight = this->train_.weight;
        for (std::size_t b = 0; b < rounded_up(n, NE); ++b)
            example_weights_[b] = b >= n ? T(0) : weight ? weight[order[b]] : T(1);
        VE loss{};
        for (const Block &block : net_.blocks) {
            const std::size_t at = Network::at(block, last.n_out);
            net_.transpose_into(block, last.n_out, [&](std::size_t b) { return this->expected(order[b]); },
                                expected_.data() + at);
            for (std::size_t lane = 0; lane < block.wide; lane += NE) {
                const std::size_t from = at + lane;
                const VE w = load<VE>(&example_weights_[block.first + lane]);
                loss = multiply_add(w, compare_column(net_.columns.back().data() + from, expected_.data() + from,
                                                      output_deltas_.data() + from, block.wide, w), loss);
                const std::size_t b = block.first + lane;
                tally.correct += count_correct(net_.columns.back().data() + from, expected_.data() + from, block.wide,
                                               b < n ? std::min<std::size_t>(n - b, NE) : 0);
            }
        }
        tally.loss += double(sum_of_lanes(loss)) * loss_factor<double>(plan_.loss, last.n_out);
    }

private:
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

template <class T, int N, int NE, Way way>
class Tiles final : public MiniBatch<T, N, NE> {
public:
    Tiles(const Plan &plan, const Examples<T> &train) : MiniBatch<T, N, NE>(plan, train) {
        const std::size_t chunk = net_.chunk;
        for (const auto &c : net_.connections) {
            const Panels<N> outputs{c.layer.n_out};
            sides_.push_back({outputs, Buffer<T>(c.inputs.padded() * chunk), Buffer<T>(outputs.padded() * chunk),
                              memory_of(c, 1), memory_of(c, 2), bias_memory(c, 1), bias_memory(c, 2),
                              Buffer<T>(chunk < this->batch_size() ? c.n_weights() : 0),
                              Buffer<T>(outputs.padded()), std::vector<V>(c.inputs.count())});
        }
    }

    const char *name() const override { return "tiles"; }

    void restore(const State<T> &state) override {
        this->updates = state.updates;
        this->in_batch_ = 0;
        std::size_t from = 0;
        for (std::size_t l = 0; l < sides_.size(); ++l) {
            auto &c = net_.connections[l];
            Side &s = sides_[l];
            Network::pack(c, &state.parameters[from], c.weights.data(), c.bias.data());
            if (s.first.size()) Network::pack(c, &state.first[from], s.first.data(), s.bias_first.data());
            if (s.second.size()) Network::pack(c, &state.second[from], s.second.data(), s.bias_second.data());
            from += c.layer.n_parameters();
        }
    }

    void save(State<T> &state) override {
        state.updates = this->updates;
        std::size_t from = 0;
        for (std::size_t l = 0; l < sides_.size(); ++l) {
            const auto &c = net_.connections[l];
            const Side &s = sides_[l];
            Network::unpack(c, c.weights.data(), c.bias.data(), &state.parameters[from]);
            if (s.first.size()) Network::unpack(c, s.first.data(), s.bias_first.data(), &state.first[from]);
            if (s.second.size()) Network::unpack(c, s.second.data(), s.bias_second.data(), &state.second[from]);
            from += c.layer.n_parameters();
        }
    }

    void signals(std::size_t b, T *outputs, T *deltas) const override {
        for (std::size_t l = 0; l < sides_.size(); ++l) {
            const std::size_t n_out = net_.connections[l].layer.n_out;
            for (const Block &block : net_.blocks)
                if (b >= block.first && b < block.first + block.wide)
                    for (std::size_t o = 0; o < n_out; ++o)
                        *outputs++ = net_.columns[l + 1][Network::at(block, n_out) + o * block.wide + b - block.first];
            const Panels<N> &panels = sides_[l].outputs;
            for (std::size_t o = 0; o < n_out; ++o) {
                const std::size_t q = o / panels.width;
                *deltas++ = sides_[l].deltas[panels.at(q, net_.chunk) + b * panels.wide(q) + o % panels.width];
            }
        }
    }

private:
    using V = Vec<T, N>;
    using Network = TileNetwork<T, N, NE>;
    using MiniBatch<T, N, NE>::net_;
    using MiniBatch<T, N, NE>::plan_;
    static constexpr bool remembers = way == Way::momentum || way == Way::nesterov || way == Way::adam;

    // What learning adds to the connections of a layer.
    struct Side {
        Panels<N> outputs;
        Buffer<T> inputs;    // panels [panel of inputs][b]
        Buffer<T> deltas;    // panels [panel of neurons][b]
        Buffer<T> first, second, bias_first, bias_second;
        Buffer<T> gradients;       // summed over the chunks of a batch, where it has several
        Buffer<T> bias_gradients;
        std::vector<V> squares;    // of the weights of each panel
    };
    std::vector<Side> sides_;

    static Buffer<T> memory_of(const typename Network::Connections &c, int which) {
        return Buffer<T>(which == 1 ? remembers * c.n_weights() : (way == Way::adam) * c.n_weights());
    }
    static Buffer<T> bias_memory(const typename Network::Connections &c, int which) {
        return Buffer<T>((which == 1 ? remembers : way == Way::adam) * rounded_up(c.layer.n_out, N));
    }

    void learn_chunk(const std::uint32_t *order, bool first, bool last, Tally<T> &tally) override {
        const std::size_t n_layers = sides_.size();
        load_inputs(order);
        for (std::size_t l = 0; l < n_layers; ++l) {
            net_.feed(l, 0, net_.connections[l].layer.n_out, tally.not_finite);
            if (l + 1 < n_layers) into_panels(net_.columns[l + 1], sides_[l + 1].inputs, sides_[l].outputs);
        }
        net_.finish_outputs();
        this->compare_outputs(order, tally);
        into_panels(this->output_deltas_, sides_.back().deltas, sides_.back().outputs);

        const Rule<T> rule = last ? this->pace.at(++this->updates, this->in_batch_) : Rule<T>{};
        const Part part = first && last ? Part::whole : first ? Part::first : last ? Part::last : Part::middle;
        V squares{};
        for (std::size_t l = n_layers; l-- > 0;) {
            sum_bias(l, first);
            for (std::size_t p = 0; p < net_.connections[l].inputs.count(); ++p) {
                sides_[l].squares[p] = V{};
                learn_panel(l, p, rule, part);
                if (last) squares += sides_[l].squares[p];
            }
            if (last) update_bias(l, rule);
        }
        if (last && plan_.l2 != 0)
            tally.loss += plan_.l2 / 2 * double(sum_of_lanes(squares)) * double(this->in_batch_);
    }

    void load_inputs(const std::uint32_t *order) {
        const Panels<N> &panels = net_.connections.front().inputs;
        const std::size_t n = net_.n_examples();
        net_.load_inputs([&](std::size_t b) { return this->input(order[b]); });
        for (std::size_t b = 0; b < n; ++b) {
            const T *x = this->input(order[b]);
            for (std::size_t p = 0; p < panels.count(); ++p, x += panels.width)
                std::copy_n(x, panels.inside(p), sides_.front().inputs.data() + panels.at(p, net_.chunk) + b * panels.wide(p));
        }
    }

    // The columns of n neurons, as panels.
    void into_panels(const Buffer<T> &columns, Buffer<T> &panels, const Panels<N> &layout) {
        const std::size_t n = net_.n_examples();
        for (std::size_t q = 0; q < layout.count(); ++q)
            for (const Block &block : net_.blocks) {
                const T *from = columns.data() + Network::at(block, layout.n) + layout.first(q) * block.wide;
                T *to = panels.data() + layout.at(q, net_.chunk) + block.first * layout.wide(q);
                const std::size_t here = std::min(n - block.first, block.wide);
                transpose_rows<Vec<T, NE>>(layout.inside(q), here, [&](std::size_t o) { return from + o * block.wide; }, to,
                                           layout.wide(q));
            }
    }

    enum class Part { whole, first, middle, last };  // of a batch

    // Errors of the inputs of one panel, and the update of its weights: neurons in blocks of a panel.
    void learn_panel(std::size_t l, std::size_t p, const Rule<T> &rule, Part part) {
        auto &c = net_.connections[l];
        Side &s = sides_[l];
        const std::size_t n = net_.n_examples(), wide = c.inputs.wide(p);
        T *errors = l ? sides_[l - 1].deltas.data() + sides_[l - 1].outputs.at(p, net_.chunk) : nullptr;
        with_constant<E_max>(static_cast<int>(wide / N), [&](auto E) {
            for (std::size_t q = 0; q < s.outputs.count(); ++q) {
                const T *deltas = s.deltas.data() + s.outputs.at(q, net_.chunk);
                const std::size_t row = s.outputs.wide(q), n_out = s.outputs.inside(q);
                const std::size_t at = c.inputs.at(p, c.layer.n_out) + s.outputs.first(q) * wide;
                if (l)
                    for_tiles<R_max<E()>>(0, n, [&](auto R, std::size_t b) {
                        error_tile<R(), E()>(deltas + b * row, row, c.weights.data() + at, n_out, errors + b * wide, q == 0);
                    });
                const T *inputs = s.inputs.data() + c.inputs.at(p, net_.chunk);
                for_tiles<R_max<E()>>(0, n_out, [&](auto R, std::size_t o) {
                    gradient_tile<R(), E()>(s, rule, part, deltas + o, row, inputs, n, c.weights.data(), at + o * wide,
                                            s.squares[p]);
                });
            }
        });
        if (l)
            with_activation(net_.connections[l - 1].layer.activation, [&](auto f) {
                const T *a = s.inputs.data() + c.inputs.at(p, net_.chunk);
                for (std::size_t k = 0; k < n * wide; k += N) store(errors + k, f.delta(load<V>(errors + k), load<V>(a + k)));
            });
    }

    template <int R, int E>
    [[gnu::noinline]] static void error_tile(const T *deltas, std::size_t row, const T *weights, std::size_t n_out,
                                             T *errors, bool first) {
        Tile<R, E, V> tile;
        if (first)
            tile.clear();
        else
            tile.load_from(errors, E * N);
        tile.add_products(n_out, deltas, row, 1, weights, E * N);
        tile.store_to(errors, E * N);
    }

    // at: where the tile's weights lie, and their gradients and memory
    template <int R, int E>
    [[gnu::noinline]] static void gradient_tile(Side &s, const Rule<T> &rule, Part part, const T *deltas, std::size_t row,
                                                const T *inputs, std::size_t n, T *weights, std::size_t at, V &squares) {
        Tile<R, E, V> tile;
        if (part == Part::whole || part == Part::first)
            tile.clear();
        else
            tile.load_from(s.gradients.data() + at, E * N);
        tile.add_products(n, deltas, 1, row, inputs, E * N);
        if (part == Part::first || part == Part::middle) return tile.store_to(s.gradients.data() + at, E * N);
        if constexpr (way == Way::plain) {
            update_tile(tile, rule, weights + at, nullptr, nullptr, squares);
        } else {
            alignas(64) T sums[R * E * N];
            tile.store_to(sums, E * N);
            for (int k = 0; k < R * E * static_cast<int>(N); k += N)
                store(weights + at + k, updated<way>(rule, load<V>(weights + at + k), load<V>(sums + k), s.first.data() + at + k,
                                                     s.second.data() + at + k, squares));
        }
    }

    template <int R, int E>
    TINYGLASS_INLINE static void update_tile(const Tile<R, E, V> &tile, const Rule<T> &rule, T *w, T *, T *, V &squares) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) {
                T *here = w + (r * E + e) * N;
                store(here, updated<way>(rule, load<V>(here), tile.sum[r][e], nullptr, nullptr, squares));
            }
    }

    void sum_bias(std::size_t l, bool first) {
        Side &s = sides_[l];
        if (!net_.connections[l].layer.bias) return;
        if (first) s.bias_gradients.clear();
        const std::size_t n = net_.n_examples();
        for (std::size_t q = 0; q < s.outputs.count(); ++q) {
            const std::size_t wide = s.outputs.wide(q);
            for (std::size_t j = 0; j < wide; j += N) {
                T *to = s.bias_gradients.data() + s.outputs.first(q) + j;
                const T *from = s.deltas.data() + s.outputs.at(q, net_.chunk) + j;
                V sum = load<V>(to);
                for (std::size_t b = 0; b < n; ++b) sum += load<V>(from + b * wide);
                store(to, sum);
            }
        }
    }

    void update_bias(std::size_t l, const Rule<T> &rule) {
        auto &c = net_.connections[l];
        Side &s = sides_[l];
        if (!c.layer.bias) return;
        const Rule<T> bias_rule = rule.without_l2();
        V squares{};
        for (std::size_t j = 0; j < c.bias.size(); j += N)
            store(&c.bias[j], updated<way>(bias_rule, load<V>(&c.bias[j]), load<V>(&s.bias_gradients[j]), &s.bias_first[j],
                                           &s.bias_second[j], squares));
    }
};

}  // namespace tinyglass
