/* Scores a row with an exported version, without Python, by the C library in TensorFlow's wheel.

   TF=$(python -c 'import os, tensorflow; print(os.path.dirname(tensorflow.__file__))')
   cc score.c -o score -I"$TF/include" -L"$TF" -Wl,-rpath,"$TF" \
      -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2
   ./score exported_models/din/1795578995 StatefulPartitionedCall_1:0 \
      segment=new age=30 item=tea hist_item=pot,cup

   The second argument is the tensor of `ctr` of `serving_default`, see keras_din.json. Then comes
   each input of the signature. Commas separate behaviors (none: `hist_item=`) and the values of a
   bag. In a history of bags semicolons separate the bags: `hist_words=a,b;c` (`;` alone is one empty
   bag). Bags are padded with "" or 0. If keras_din.json has another padding value for an input,
   write it in brackets: `hist_words[-1]=1,2;3`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

#define MAX_INPUTS 64
#define MAX_AXES 3

static TF_Status *status;

static void check(int holds, const char *what) {
  if (holds && TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s %s\n", what, TF_Message(status));
  exit(1);
}

/* Finds the tensor NAME:INDEX of the graph. */
static TF_Output find(TF_Graph *graph, const char *name) {
  char operation[256];
  const char *colon = strchr(name, ':');
  int length = colon ? (int)(colon - name) : (int)strlen(name);
  snprintf(operation, sizeof operation, "%.*s", length, name);
  TF_Output found = {TF_GraphOperationByName(graph, operation), colon ? atoi(colon + 1) : 0};
  check(found.oper != NULL, name);
  return found;
}

/* Counts the parts of a text, which `separator` separates. An empty text has none. */
static int64_t count_parts(const char *text, size_t length, char separator) {
  int64_t count = length > 0;
  for (size_t i = 0; i < length; i++) count += text[i] == separator;
  return count;
}

/* Returns the length of the first part of a text, and moves the text behind it. */
static size_t next_part(const char **text, size_t *length, char separator, const char **part) {
  size_t size = 0;
  *part = *text;
  while (size < *length && (*text)[size] != separator) size++;
  size_t used = size < *length ? size + 1 : size;
  *text += used;
  *length -= used;
  return size;
}

static void put(void *data, TF_DataType type, int64_t i, const char *text, size_t length) {
  if (type == TF_STRING) {
    TF_StringCopy((TF_TString *)data + i, text, length);
    return;
  }
  char number[64];
  check(length < sizeof number, "a number must have fewer than 64 characters:");
  memcpy(number, text, length);
  number[length] = 0;
  if (type == TF_INT64) {
    ((int64_t *)data)[i] = strtoll(number, NULL, 10);
  } else if (type == TF_INT32) {
    ((int32_t *)data)[i] = (int32_t)strtol(number, NULL, 10);
  } else {
    ((float *)data)[i] = strtof(number, NULL);
  }
}

/* Makes a tensor of `rank` axes of a text: `(1,)` one value, `(1, time)` values that commas
   separate, `(1, time, values)` such values for each behavior, which semicolons separate. Rows with
   fewer values than the longest are padded with `padding`; an empty one means "" or 0. */
static TF_Tensor *read_values(const char *text, TF_DataType type, int rank, const char *padding) {
  check(rank >= 1 && rank <= MAX_AXES, "an input must have one to three axes:");
  check(type == TF_STRING || type == TF_INT64 || type == TF_INT32 || type == TF_FLOAT,
        "an input must be of strings, int64, int32 or float32:");
  size_t length = strlen(text);
  int64_t shape[MAX_AXES] = {1, 1, 1};
  if (rank == 2) shape[1] = count_parts(text, length, ',');
  if (rank == 3) {
    const char *rest = text, *part;
    size_t left = length;
    shape[1] = count_parts(text, length, ';') - (length > 0 && text[length - 1] == ';');
    shape[2] = 0;
    for (int64_t i = 0; i < shape[1]; i++) {
      size_t size = next_part(&rest, &left, ';', &part);
      int64_t values = count_parts(part, size, ',');
      if (values > shape[2]) shape[2] = values;
    }
  }
  int64_t count = shape[1] * shape[2];
  size_t size = type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type);
  TF_Tensor *tensor = TF_AllocateTensor(type, shape, rank, count * size);
  check(tensor != NULL, "no memory for an input:");
  void *data = TF_TensorData(tensor);
  for (int64_t i = 0; type == TF_STRING && i < count; i++) TF_StringInit((TF_TString *)data + i);
  for (int64_t i = 0; i < count; i++) put(data, type, i, padding, strlen(padding));
  if (rank == 1) {
    put(data, type, 0, text, length);
    return tensor;
  }
  for (int64_t i = 0; i < (rank == 3 ? shape[1] : 1); i++) {
    const char *part = text, *value;
    size_t left = rank == 3 ? next_part(&text, &length, ';', &part) : length;
    int64_t values = count_parts(part, left, ',');
    for (int64_t k = 0; k < values; k++) {
      size_t chars = next_part(&part, &left, ',', &value);
      put(data, type, i * shape[2] + k, value, chars);
    }
  }
  return tensor;
}

int main(int words, char **word) {
  status = TF_NewStatus();
  check(words > 3 && words < MAX_INPUTS, "score FOLDER TENSOR INPUT=VALUES ...");
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, word[1], tags, 1, graph, NULL, status);
  check(session != NULL, "no version could be loaded:");

  TF_Output inputs[MAX_INPUTS], ctr = find(graph, word[2]);
  TF_Tensor *values[MAX_INPUTS], *answer = NULL;
  int count = words - 3;
  for (int i = 0; i < count; i++) {
    char name[256], padding[64] = "";
    const char *input = word[i + 3], *equals = strchr(input, '=');
    check(equals != NULL, input);
    int length = (int)strcspn(input, "[=");
    if (input[length] == '[') {
      int size = (int)(equals - input) - length - 2;
      check(size >= 0 && equals[-1] == ']' && size < (int)sizeof padding, input);
      snprintf(padding, sizeof padding, "%.*s", size, input + length + 1);
    }
    snprintf(name, sizeof name, "serving_default_%.*s", length, input);
    inputs[i] = find(graph, name);
    int rank = TF_GraphGetTensorNumDims(graph, inputs[i], status);
    values[i] = read_values(equals + 1, TF_OperationOutputType(inputs[i]), rank, padding);
  }
  TF_SessionRun(session, NULL, inputs, values, count, &ctr, &answer, 1, NULL, 0, NULL, status);
  check(answer != NULL, "the row could not be scored:");
  printf("%.9g\n", *(float *)TF_TensorData(answer));

  TF_DeleteTensor(answer);
  for (int i = 0; i < count; i++) TF_DeleteTensor(values[i]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
