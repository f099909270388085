/* Scores a row with an exported version, without Python: the C library in TensorFlow's wheel.

   TF=$(python -c 'import os, tensorflow; print(os.path.dirname(tensorflow.__file__))')
   cc score.c -o score -I"$TF/include" -L"$TF" -Wl,-rpath,"$TF" \
      -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2
   ./score exported_models/din/1795578995 StatefulPartitionedCall_1:0 \
      segment=new age=30 item=tea hist_item=pot,cup

   The second word is the tensor of `ctr` of `serving_default`, as keras_din.json says; then each
   input of the signature, the behaviours with commas between them (none: `hist_item=`). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

#define MOST 64

static TF_Status *status;

static void check(int holds, const char *what) {
  if (holds && TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s %s\n", what, TF_Message(status));
  exit(1);
}

/* The tensor NAME:INDEX of the graph. */
static TF_Output find(TF_Graph *graph, const char *name) {
  char operation[256];
  const char *colon = strchr(name, ':');
  int length = colon ? (int)(colon - name) : (int)strlen(name);
  snprintf(operation, sizeof operation, "%.*s", length, name);
  TF_Output found = {TF_GraphOperationByName(graph, operation), colon ? atoi(colon + 1) : 0};
  check(found.oper != NULL, name);
  return found;
}

/* Values with commas between them as a tensor `(1,)`, or `(1, time)` of an input with two axes. */
static TF_Tensor *read_values(char *text, TF_DataType type, int rank) {
  int64_t count = rank == 1 || *text != 0;
  for (char *c = text; rank == 2 && *c; c++) count += *c == ',';
  int64_t shape[2] = {1, count};
  size_t size = type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type);
  TF_Tensor *tensor = TF_AllocateTensor(type, shape, rank, count * size);
  void *data = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; i++) {
    size_t length = strcspn(text, rank == 2 ? "," : "");
    if (type == TF_STRING) {
      TF_StringInit((TF_TString *)data + i);
      TF_StringCopy((TF_TString *)data + i, text, length);
    } else if (type == TF_INT64) {
      ((int64_t *)data)[i] = strtoll(text, NULL, 10);
    } else if (type == TF_INT32) {
      ((int32_t *)data)[i] = (int32_t)strtol(text, NULL, 10);
    } else {
      ((float *)data)[i] = strtof(text, NULL);
    }
    text += length + 1;
  }
  return tensor;
}

int main(int words, char **word) {
  status = TF_NewStatus();
  check(words > 3 && words < MOST, "score FOLDER TENSOR INPUT=VALUES ...");
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, word[1], tags, 1, graph, NULL, status);
  check(session != NULL, "no version could be loaded:");

  TF_Output inputs[MOST], ctr = find(graph, word[2]);
  TF_Tensor *values[MOST], *answer = NULL;
  int count = words - 3;
  for (int i = 0; i < count; i++) {
    char name[256], *equals = strchr(word[i + 3], '=');
    check(equals != NULL, word[i + 3]);
    snprintf(name, sizeof name, "serving_default_%.*s", (int)(equals - word[i + 3]), word[i + 3]);
    inputs[i] = find(graph, name);
    int rank = TF_GraphGetTensorNumDims(graph, inputs[i], status);
    values[i] = read_values(equals + 1, TF_OperationOutputType(inputs[i]), rank);
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
