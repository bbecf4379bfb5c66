// Original file: proto/athanor/v1/model.proto


export interface ModelServiceListRequest {
}

export interface ModelServiceListRequest__Output {
}
