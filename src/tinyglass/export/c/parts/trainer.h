/* tinyglass $version, trainer of $which, of model $id. */
#ifndef MODEL_TRAINER_H
#define MODEL_TRAINER_H

#include "$header"

#if !defined(MODEL_IS_$id)
#error "The trainer and the header of the network are of different networks"
#endif

/* A trainer: it adapts the network to its user, one recording at a time, by gradient descent. It works on a copy of the
 * weights, $n_bytes bytes of RAM that you give it. Stack for learning one recording, to which that of the program adds:
 * $stack.
 *
 *     static struct model_trainer trainer;
 *     model_trainer_start(&trainer);
 *     loss = model_trainer_learn_readings(&trainer, readings, n, $learnt, MODEL_TRAINER_RATE);
 *     place = model_trainer_predict_readings(&trainer, readings, n, outputs);
 *
 * trainer.weights are all that is to be kept over a restart. */

#define MODEL_TRAINER_RATE $rate
#define MODEL_TRAINER_FIRST $first /* of the weights in $header that learn; those before stay as they are */
#define MODEL_TRAINER_N_WEIGHTS $n_weights

struct model_trainer {
    float weights[MODEL_TRAINER_N_WEIGHTS];
};

$rounding
/* Inputs and neurons of each layer, what its activation is, and whether its neurons have a bias. */
$arrays
/* Begin with the weights of $header, and forget what was learnt. */
static inline void model_trainer_start(struct model_trainer *trainer) {
    $count i;
    for (i = 0; i < MODEL_TRAINER_N_WEIGHTS; ++i)
        trainer->weights[i] = MODEL_FLOAT(model_weights + MODEL_TRAINER_FIRST + i);
}

static inline float model_trainer_weight(const struct model_trainer *trainer, $count i) {
$weight
}

static inline float model_trainer_activate(float sum, uint8_t activation) {
$activate
    return sum;
}

/* The slope of an activation, from its output. */
static inline float model_trainer_slope(float output, uint8_t activation) {
    MODEL_ROUNDED
$slope
    return 1.0f;
}

/* Feedforward: the outputs of all layers, one layer after another; the last layer's as they are trained. */
static inline void model_trainer_feed(const struct model_trainer *trainer, const float *inputs, float *signals) {
    MODEL_ROUNDED
    $count k = 0;
    uint8_t layer;
    for (layer = 0; layer < $n_layers; ++layer) {
        const $size n_in = $unsigned(model_trainer_sizes + layer), n_out = $unsigned(model_trainer_sizes + layer + 1);
        $size i, j;
        for (j = 0; j < n_out; ++j) {
            float sum = model_trainer_weight(trainer, k++);
            for (i = 0; i < n_in; ++i) {
                const float product = model_trainer_weight(trainer, k++) * inputs[i];
                sum += product;
            }
            signals[j] = model_trainer_activate(sum, MODEL_UINT8(model_trainer_activations + layer));
        }
        inputs = signals;
        signals += n_out;
    }
}

/* One step on MODEL_N_INPUTS prepared inputs. `expected` has MODEL_N_OUTPUTS numbers: $expected.
 * Returns half the sum of the squared errors before the step. */
static inline float model_trainer_step(struct model_trainer *trainer, const float *inputs, const float *expected,
                                       float rate) {
    MODEL_ROUNDED
    float signals[$n_neurons], deltas[$n_neurons], loss = 0.0f;
    float *out = signals + ($n_neurons - MODEL_N_OUTPUTS), *d = deltas + ($n_neurons - MODEL_N_OUTPUTS);
    $count begin = $last_begin; /* of the layer's weights, counted in $header */
    $size i, j;
    uint8_t layer = $n_layers - 1;
    model_trainer_feed(trainer, inputs, signals);
$softmax
    for (j = 0; j < MODEL_N_OUTPUTS; ++j) {
        const float error = out[j] - expected[j];
        loss += 0.5f * (error * error);
        d[j] = error$last_slope;
    }
    for (;;) {
        const $size n_in = $unsigned(model_trainer_sizes + layer), n_out = $unsigned(model_trainer_sizes + layer + 1);
        const float *given = layer ? out - n_in : inputs;
        float *w = trainer->weights + (begin - MODEL_TRAINER_FIRST);
        if (layer > $first_layer) {
            for (i = 0; i < n_in; ++i) {
                float error = 0.0f;
                for (j = 0; j < n_out; ++j) {
                    const float product = w[($count)j * (n_in + 1) + 1 + i] * d[j];
                    error += product;
                }
                *(d - n_in + i) = error * model_trainer_slope(given[i], MODEL_UINT8(model_trainer_activations + layer - 1));
            }
        }
        for (j = 0; j < n_out; ++j) {
            if (MODEL_UINT8(model_trainer_has_bias + layer)) *w -= rate * d[j];
            ++w;
            for (i = 0; i < n_in; ++i) {
                const float gradient = d[j] * given[i];
                *w++ -= rate * gradient;
            }
        }
        if (layer == $first_layer) return loss;
        --layer;
        out -= n_in;
        d -= n_in;
        begin = ($count)(begin - ($count)(($count)n_in * ($count)($unsigned(model_trainer_sizes + layer) + 1)));
    }
}

/* The same for n readings, n * MODEL_N_CHANNELS numbers, $of_what. */
static inline float model_trainer_learn_readings(struct model_trainer *trainer, const float *readings, $length n,
                                                 $answer, float rate) {
    float inputs[MODEL_N_INPUTS], expected[MODEL_N_OUTPUTS];
$expect
$prepare
    return model_trainer_step(trainer, inputs, expected, rate);
}

/* As model_predict_readings, with the weights of the trainer: writes MODEL_N_OUTPUTS outputs. */
static inline int model_trainer_predict_readings(const struct model_trainer *trainer, const float *readings, $length n,
                                                 float *outputs) {
    float inputs[MODEL_N_INPUTS], signals[$n_neurons];
    int j;
$prepare_predict
    model_trainer_feed(trainer, inputs, signals);
    for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] = signals[$n_neurons - MODEL_N_OUTPUTS + j];
    $finish
    return $result;
}

$rounded
#endif
