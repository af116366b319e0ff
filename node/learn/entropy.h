/*
 * Softmax cross-entropy. The exponential and the logarithm are our own, from basic operations only, so the loss and its
 * derivative are the same on every machine.
 */
#ifndef GV_ENTROPY_H
#define GV_ENTROPY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Mean cross-entropy of the softmax of logits (batch, classes) at labels (batch), each below classes. With `derive`,
 * the logits become the loss's derivative by them, (softmax - one-hot) / batch. NaN if a logit is NaN or infinite.
 */
float gv_cross_entropy(float *logits, const uint16_t *labels, uint32_t batch, uint32_t classes, bool derive);

#endif
