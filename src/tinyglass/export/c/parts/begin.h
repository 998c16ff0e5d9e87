#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#include <string.h>
#if defined(MODEL_LIBM) /* define it to take exp and sqrt from the C library */
#include <math.h>
#endif

#define MODEL_ID "$id"
#define MODEL_IS_$id
#define MODEL_N_INPUTS $n_inputs
#define MODEL_N_OUTPUTS $n_outputs
#define MODEL_N_CHANNELS $n_channels
#define MODEL_READINGS $n_readings /* that one prediction takes, of all channels each */
#define MODEL_HOP $hop /* readings from one window to the next; 0: recordings are taken whole */
#define MODEL_PERIOD_MS $period /* between readings; 0: unknown */
#define MODEL_THRESHOLD $threshold /* a largest output below it is unknown */
#define MODEL_UNKNOWN (-1)

/* C99 leaves the right shift of negative numbers to the compiler; this one must keep the sign. */
typedef char model_check_of_the_shift[((-1) >> 1) == -1 ? 1 : -1];

#if defined(__AVR__)
#include <avr/pgmspace.h>
#define MODEL_ROM PROGMEM
#define MODEL_INT8(p) ((int8_t)pgm_read_byte(p))
#define MODEL_UINT8(p) ((uint8_t)pgm_read_byte(p))
#define MODEL_UINT16(p) pgm_read_word(p)
#define MODEL_UINT32(p) pgm_read_dword(p)
#define MODEL_INT16(p) ((int16_t)pgm_read_word(p))
#define MODEL_INT32(p) ((int32_t)pgm_read_dword(p))
#define MODEL_FLOAT(p) pgm_read_float(p)
#else
#define MODEL_ROM
#define MODEL_INT8(p) (*(p))
#define MODEL_UINT8(p) (*(p))
#define MODEL_UINT16(p) (*(p))
#define MODEL_UINT32(p) (*(p))
#define MODEL_INT16(p) (*(p))
#define MODEL_INT32(p) (*(p))
#define MODEL_FLOAT(p) (*(p))
#endif

#if defined(__GNUC__)
#define MODEL_APART __attribute__((noinline))
#else
#define MODEL_APART
#endif

/* The same numbers on every board: a product is rounded before it is added. Clang is told in each function, for that
 * function alone; gcc from here to the end of this file. */
#if defined(__clang__)
#define MODEL_ROUNDED _Pragma("STDC FP_CONTRACT OFF")
#else
#define MODEL_ROUNDED
#endif
$rounding
